import koffi from 'koffi';

/** Size of struct timex on 64-bit machines (linux/timex.h), in bytes. */
const TIMEX = 208;
/** Offset of its field `status`. */
const STATUS = 40;
/** The clock is not kept by anybody (linux/timex.h). */
const STA_UNSYNC = 0x40;

/** Whether something (NTP) keeps the system's clock, as the kernel was told; undefined where it does not say. Changes nothing. */
export function clockIsKept(): boolean | undefined {
  try {
    const adjtimex = koffi.load(null).func('int adjtimex(void *)') as (timex: Uint8Array) => number;
    const timex = new Uint8Array(TIMEX);
    if (adjtimex(timex) < 0) return undefined;
    return (new DataView(timex.buffer).getInt32(STATUS, true) & STA_UNSYNC) === 0;
  } catch {
    return undefined;
  }
}
