/** What succeeded, with its value, or what was refused, with the reason. Refusals are values; exceptions are bugs, misuse or I/O. */
export type Result<T, E extends string> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: E };

/** A success that carries `value`. */
export function accept<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** A refusal for `reason`. */
export function refuse<E extends string>(reason: E): { readonly ok: false; readonly reason: E } {
  return { ok: false, reason };
}
