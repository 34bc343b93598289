/** Whether a source can be somebody's: not nobody, a group, or everybody. `source` has 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export function isPossibleOpener({ family, source }: { readonly family: 4 | 6; readonly source: Uint8Array }): boolean {
  if (family === 4) return source[12] !== 0 && (source[12] ?? 0) < 224;
  return source[0] !== 0xff && source.some((byte) => byte !== 0);
}
