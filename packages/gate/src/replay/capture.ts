/** What a reader of recorded packets gives: pure types. */
import type { UnixMicros } from '@postern/protocol';

/** One recorded packet. */
export interface CapturedPacket {
  /** When it was seen; undefined where the file does not say. */
  readonly time: UnixMicros | undefined;
  /** What `bytes` begins with: a LINKTYPE_ number of the registry of libpcap. */
  readonly linkType: number;
  /** What was recorded of it. Overwritten by the next packet. */
  readonly bytes: Buffer;
  /** Bytes that it had: more than were recorded where it was cut off. */
  readonly length: number;
}

/**
 * Why a file is not read on. `unknown`: no recording that we know. `version`: a form that came later. `truncated`: it ends within something. `size`: a
 * packet or block is longer than any can be. `block`: lengths that contradict each other. `interface`: a packet of an interface that was not described.
 */
export type CaptureReason = 'unknown' | 'version' | 'truncated' | 'size' | 'block' | 'interface';

/** Where reading ended before the end of the file. */
export interface CaptureProblem {
  readonly reason: CaptureReason;
  /** Of the header, packet or block that could not be read, in bytes from the start of the file. */
  readonly offset: number;
}

/** Gives the packets of a file, then what is wrong with the rest; undefined where nothing is. */
export type Capture = Generator<CapturedPacket, CaptureProblem | undefined>;

/** Bytes of a packet at most: what tcpdump and Wireshark record at most. */
export const MOST_PACKET = 262_144;

/** Times from here on are no times, in microseconds: seconds of 32 bits are over. */
const END_OF_TIME = 0x1_0000_0000 * 1_000_000;

/** A time as it is counted here; undefined for one before 1970 or after 2106. */
export function timeOf(micros: number): UnixMicros | undefined {
  return micros >= 0 && micros < END_OF_TIME ? (Math.floor(micros) as UnixMicros) : undefined;
}
