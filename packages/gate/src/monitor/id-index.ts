/** Names by key: mostly one of a key, which is then kept without a set. */
export class IdIndex {
  readonly #ids = new Map<string, string | Set<string>>();

  keys(): Iterable<string> {
    return this.#ids.keys();
  }

  /** The ids of a key, in the order in which they were added. */
  of(key: string): Iterable<string> {
    const ids = this.#ids.get(key);
    return typeof ids === 'string' ? [ids] : (ids ?? []);
  }

  add(key: string, id: string): void {
    const ids = this.#ids.get(key);
    if (ids === undefined) this.#ids.set(key, id);
    else if (typeof ids !== 'string') ids.add(id);
    else if (ids !== id) this.#ids.set(key, new Set([ids, id]));
  }

  delete(key: string, id: string): void {
    const ids = this.#ids.get(key);
    if (ids === undefined) return;
    if (typeof ids !== 'string') {
      ids.delete(id);
      if (ids.size > 0) return;
    } else if (ids !== id) return;
    this.#ids.delete(key);
  }
}
