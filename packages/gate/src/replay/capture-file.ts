import type { ByteSource } from './byte-source.ts';
import type { Capture } from './capture.ts';
import { isPcap, readPcap } from './pcap.ts';
import { isPcapng, readPcapng } from './pcapng.ts';

/** Reads the packets of a recording, pcap or pcapng. Total on arbitrary bytes; holds one packet at a time. */
export function* readCapture(source: ByteSource): Capture {
  const magic = source.peek(4)?.readUInt32BE(0);
  if (magic === undefined) return { reason: 'truncated', offset: 0 };
  if (isPcap(magic)) return yield* readPcap(source);
  if (isPcapng(magic)) return yield* readPcapng(source);
  return { reason: 'unknown', offset: 0 };
}
