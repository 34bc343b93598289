/**
 * The rules by which knockd 0.8 takes knocks, as a model to measure with; `e2e/knockd.test.ts` holds it to the real one. Its doors see no
 * ports but their own, a wrong one of these ends an attempt and begins none, and deleting the first attempt of its list loses all.
 */

/** A door. */
export interface KnockdDoor {
  readonly name: string;
  readonly sequence: readonly number[];
  /** From the first knock on, in milliseconds. */
  readonly timeout: number;
}

interface Attempt {
  readonly door: KnockdDoor;
  readonly source: string;
  readonly begun: number;
  /** Steps taken; -1 when it failed. */
  stage: number;
}

/** What became of a knock. */
export interface KnockdEvent {
  readonly source: string;
  readonly door: string;
  readonly stage: number;
  readonly opened: boolean;
}

/** knockd with some doors. */
export class KnockdRules {
  readonly #doors: readonly KnockdDoor[];
  readonly #ports: ReadonlySet<number>;
  #attempts: Attempt[] = [];

  constructor(doors: readonly KnockdDoor[]) {
    this.#doors = doors;
    this.#ports = new Set(doors.flatMap(({ sequence }) => sequence));
  }

  /** Takes one knock, at a time in milliseconds. */
  knock(source: string, port: number, now: number): KnockdEvent[] {
    if (!this.#ports.has(port)) return [];
    this.#clean(now);
    const own = this.#attempts.filter((attempt) => attempt.source === source);
    if (own.length > 0) return own.flatMap((attempt) => advance(attempt, port));
    const begun = this.#doors
      .filter(({ sequence }) => sequence[0] === port)
      .map((door) => ({ door, source, begun: now, stage: 0 }));
    this.#attempts.push(...begun);
    return begun.flatMap((attempt) => advance(attempt, port));
  }

  #clean(now: number): void {
    const [first] = this.#attempts;
    const over = ({ door, begun, stage }: Attempt): boolean =>
      stage < 0 || stage === door.sequence.length || now - begun >= door.timeout;
    this.#attempts = first !== undefined && over(first) ? [] : this.#attempts.filter((attempt) => !over(attempt));
  }
}

function advance(attempt: Attempt, port: number): KnockdEvent[] {
  const { door, source } = attempt;
  if (door.sequence[attempt.stage] !== port) {
    attempt.stage = -1;
    return [];
  }
  attempt.stage++;
  return [{ source, door: door.name, stage: attempt.stage, opened: attempt.stage === door.sequence.length }];
}
