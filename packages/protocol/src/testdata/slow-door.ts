/** For tests only: what a door is, said a second time. Everything is kept, and every knock is tried as a beginning each time. */
import { toHex } from '../bytes.ts';
import type { DoorSequence, DoorStep, Knock } from '../knock/door.ts';

interface Past {
  readonly knock: Knock;
  readonly at: number;
}

const FLAGS = { fin: 1, syn: 2, rst: 4, ack: 16 };

function sameForm(step: DoorStep, knock: Knock): boolean {
  if (step.protocol !== knock.protocol) return false;
  if (step.protocol !== 'tcp') return true;
  const has = (bit: number): boolean => Math.floor(knock.flags / bit) % 2 === 1;
  const bits = [1, 2, 4, 8, 16, 32];
  if (step.flagsSet === 0 && step.flagsClear === 0)
    return has(FLAGS.syn) && !has(FLAGS.fin) && !has(FLAGS.rst) && !has(FLAGS.ack);
  const asks = (flags: number, bit: number): boolean => Math.floor(flags / bit) % 2 === 1;
  return bits.every((bit) => (!asks(step.flagsSet, bit) || has(bit)) && (!asks(step.flagsClear, bit) || !has(bit)));
}

function isStep(step: DoorStep, knock: Knock): boolean {
  return sameForm(step, knock) && step.port === knock.port;
}

/** Whether the sequence opens with the last of these knocks when the first is taken for its beginning. */
function opensInOrder(sequence: DoorSequence, past: readonly Past[]): boolean {
  const { steps } = sequence;
  const times: number[] = [];
  let misses = 0;
  for (const { knock, at } of past) {
    if (times.length === steps.length) return false;
    const next = steps[times.length];
    const gap = at - (times.at(-1) ?? at);
    const early = times.length > 0 && gap < (next?.minGap ?? 0);
    const late = times.length > 0 && gap > (next?.maxGap ?? 0);
    if (late || at - (times[0] ?? at) > sequence.timeout) return false;
    const before = steps[times.length - 1];
    if (next !== undefined && isStep(next, knock) && !early) times.push(at);
    else if (times.length === 0) return false;
    else if (before !== undefined && isStep(before, knock)) continue;
    else misses++;
    if (misses > sequence.misses) return false;
  }
  return times.length === steps.length && times.at(-1) === past.at(-1)?.at;
}

function opensWithoutOrder(sequence: DoorSequence, past: readonly Past[]): boolean {
  const { steps } = sequence;
  const [first] = past;
  const last = past.at(-1);
  if (first === undefined || last === undefined || last.at - first.at > sequence.timeout) return false;
  if (!steps.some((step) => isStep(step, first.knock))) return false;
  const misses = past.filter(({ knock }) => !steps.some((step) => isStep(step, knock))).length;
  return misses <= sequence.misses && steps.every((step) => past.some(({ knock }) => isStep(step, knock)));
}

/** The slow twin of `ClassicMatcher`, for one sequence and without any limit. */
export class SlowDoor {
  readonly #sequence: DoorSequence;
  readonly #past = new Map<string, Past[]>();
  readonly #latest = new Map<string, number>();

  constructor(sequence: DoorSequence) {
    this.#sequence = sequence;
  }

  /** Whether it opens. */
  knock(knock: Knock, at: number): boolean {
    const source = toHex(knock.source);
    let past = this.#past.get(source) ?? [];
    if (at < (this.#latest.get(source) ?? at)) past = [];
    this.#latest.set(source, at);
    const { target, steps, anyOrder } = this.#sequence;
    const seen =
      (target === undefined || toHex(target) === toHex(knock.destination)) &&
      steps.some((step) => sameForm(step, knock));
    this.#past.set(source, past);
    if (!seen) return false;
    past.push({ knock, at });
    const opens = (from: number): boolean =>
      (anyOrder ? opensWithoutOrder : opensInOrder)(this.#sequence, past.slice(from));
    const open = past.some((_, from) => opens(from));
    if (open) this.#past.set(source, []);
    return open;
  }
}
