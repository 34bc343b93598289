/**
 * An address as the tables in /proc/net print it (proc_net_tcp.rst in the kernel's documentation): 8 or 32 hexadecimal digits, each 8 of them a
 * 32-bit word in network order that this machine read as a number of its own, which is little-endian on every supported one.
 *
 * @returns 16 bytes, IPv4 as ::ffff:a.b.c.d; undefined for a text of another form
 */
export function parseProcAddress(hex: string): Uint8Array | undefined {
  if (!/^(?:[0-9A-F]{8}|[0-9A-F]{32})$/.test(hex)) return undefined;
  const bytes = new Uint8Array(16);
  const four = hex.length === 8;
  if (four) bytes.fill(0xff, 10, 12);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < hex.length; at += 8) {
    view.setUint32((four ? 12 : 0) + at / 2, Number.parseInt(hex.slice(at, at + 8), 16), true);
  }
  return bytes;
}
