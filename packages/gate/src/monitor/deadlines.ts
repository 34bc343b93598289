/** When what ends: a binary heap of times and names in two flat arrays. Adding and taking the first take O(log n). */
export class Deadlines {
  readonly #times: number[] = [];
  readonly #names: string[] = [];

  get size(): number {
    return this.#times.length;
  }

  add(time: number, name: string): void {
    const [times, names] = [this.#times, this.#names];
    let at = times.length;
    times.push(time);
    names.push(name);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const upper = times[above] ?? -Infinity;
      if (upper <= time) break;
      times[at] = upper;
      names[at] = names[above] ?? '';
      at = above;
    }
    times[at] = time;
    names[at] = name;
  }

  /** Takes out the name with the earliest time when that is at or before `now`. */
  take(now: number): string | undefined {
    const [times, names] = [this.#times, this.#names];
    const [first] = names;
    if (first === undefined || (times[0] ?? Infinity) > now) return undefined;
    const [time, name] = [times.pop() ?? 0, names.pop() ?? ''];
    const size = times.length;
    if (size === 0) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const below = (times[left + 1] ?? Infinity) < (times[left] ?? Infinity) ? left + 1 : left;
      const lower = times[below] ?? Infinity;
      if (below >= size || lower >= time) break;
      times[at] = lower;
      names[at] = names[below] ?? '';
      at = below;
    }
    times[at] = time;
    names[at] = name;
    return first;
  }

  /** Moves all times by so much. */
  shift(step: number): void {
    for (const [at, time] of this.#times.entries()) this.#times[at] = time + step;
  }
}
