/** What a replay counts, and how that is told at the end. */
import type { UnixMicros } from '@postern/protocol';
import type { CaptureProblem } from './capture.ts';
import type { Judgement, Outcome } from './judgement.ts';
import { showMicros } from './show.ts';

/** Counts what was read. */
export class Tally {
  /** Packets of the file. */
  packets = 0;
  /** Packets that had no form of anything. */
  others = 0;
  /** Of those, packets that were not recorded as a whole. */
  cut = 0;
  /** Packets that nobody says the time of, before the first of which somebody does. */
  untimed = 0;
  /** Packets of kinds of links that are not known, by LINKTYPE_ number. */
  readonly links: Map<number, number> = new Map<number, number>();
  readonly #verdicts = new Map<Outcome['verdict'], number>();
  readonly #reasons = new Map<string, number>();
  #first: UnixMicros | undefined;
  #last: UnixMicros | undefined;

  /** A packet was seen then. */
  at(time: UnixMicros): void {
    this.#first ??= time;
    this.#last = time;
  }

  /** A packet is of a kind of link that is not known. */
  link(type: number): void {
    this.links.set(type, (this.links.get(type) ?? 0) + 1);
  }

  /** A packet was judged. */
  add({ outcome }: Judgement): void {
    const { verdict } = outcome;
    this.#verdicts.set(verdict, (this.#verdicts.get(verdict) ?? 0) + 1);
    if (verdict === 'refuse') this.#reasons.set(outcome.reason, (this.#reasons.get(outcome.reason) ?? 0) + 1);
  }

  /** Whether anything could be read. */
  get read(): boolean {
    let unknown = 0;
    for (const count of this.links.values()) unknown += count;
    return this.packets === 0 || this.packets > unknown;
  }

  /** Lines of text. */
  lines(): string[] {
    const { packets, others, cut, untimed } = this;
    const of = (verdict: Outcome['verdict']): number => this.#verdicts.get(verdict) ?? 0;
    const letIn = of('open') + of('extend') + of('run');
    const harmless = of('close') + of('answer');
    const when =
      this.#first === undefined || this.#last === undefined
        ? ''
        : `, from ${showMicros(this.#first)} to ${showMicros(this.#last)}`;
    const reasons = [...this.#reasons].map(([reason, count]) => `${reason} ${String(count)}`).join(', ');
    return [
      `packets ${String(packets)}${when}`,
      `let in ${String(letIn)}, refused ${String(of('refuse'))}${reasons === '' ? '' : ` (${reasons})`}${harmless === 0 ? '' : `, closed or only answered ${String(harmless)}`}, no form of a knock ${String(others)}`,
      ...(cut === 0
        ? []
        : [`${String(cut)} were recorded in part only and could not be judged: record with \`tcpdump -s 0\``]),
      ...(untimed === 0 ? [] : [`${String(untimed)} have no time and could not be judged`]),
      ...[...this.links].map(
        ([type, count]) => `${String(count)} are of a link of type ${String(type)}, which is not known`,
      ),
    ];
  }

  /** Fields of JSON. */
  fields(problem: CaptureProblem | undefined): object {
    const { packets, others, cut, untimed } = this;
    const [from, to] = [this.#first, this.#last].map((time) => (time === undefined ? undefined : showMicros(time)));
    return {
      ...{ packets, from, to, others, cut, untimed, problem },
      unknownLinks: Object.fromEntries(this.links),
      verdicts: Object.fromEntries(this.#verdicts),
      refused: Object.fromEntries(this.#reasons),
    };
  }
}
