/** A source of randomness, passed in wherever it is used: returns `size` fresh bytes that nobody can predict. */
export type Random = (size: number) => Uint8Array;
