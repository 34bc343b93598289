/** Checksums of IP, for packets that were taken off a device before their checksum was computed (offloading). */

function sum(bytes: Uint8Array, from: number, to: number, start: number): number {
  let total = start;
  for (let i = from; i + 1 < to; i += 2) total += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  if ((to - from) % 2 === 1) total += (bytes[to - 1] ?? 0) << 8;
  return total;
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}

/**
 * Writes the right TCP, UDP or ICMPv6 checksum into an Ethernet frame of IPv4 or IPv6 without extension headers (RFC 1071, RFC 8200
 * section 8.1). Other frames, and fragments, stay as they are.
 */
export function completeChecksum(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 34) return;
  const type = view.getUint16(12);
  const ip = 14;
  let protocol: number;
  let payload: number;
  let end: number;
  let pseudo: number;
  if (type === 0x0800) {
    if ((view.getUint16(ip + 6) & 0x3fff) !== 0) return;
    protocol = view.getUint8(ip + 9);
    payload = ip + (view.getUint8(ip) & 15) * 4;
    end = ip + view.getUint16(ip + 2);
    pseudo = sum(frame, ip + 12, ip + 20, protocol + (end - payload));
  } else if (type === 0x86dd && frame.length >= 54) {
    protocol = view.getUint8(ip + 6);
    payload = ip + 40;
    end = payload + view.getUint16(ip + 4);
    pseudo = sum(frame, ip + 8, ip + 40, protocol + (end - payload));
  } else return;
  const at = protocol === 6 ? payload + 16 : protocol === 17 ? payload + 6 : protocol === 58 ? payload + 2 : 0;
  if (at === 0 || end > frame.length || at + 2 > end) return;
  view.setUint16(at, 0);
  const value = fold(sum(frame, payload, end, pseudo));
  view.setUint16(at, protocol === 17 && value === 0 ? 0xffff : value);
}
