/** Waits for a service to answer a probe, without spinning. */
import { wait, type SynProbe } from './native-socket.ts';

/** How it is waited, in microseconds. */
export interface Patience {
  /** No probe before that: nothing can be open yet, and a probe takes processor time that the gate needs. */
  readonly quiet: number;
  /** From SYN to SYN after the first 20 ms: it is late anyway. */
  readonly late: number;
  /** No probe after that. */
  readonly giveUp: number;
}

/** From SYN to SYN, in microseconds: the resolution of the measurement. */
const STEP = 100;

/** Milliseconds from `sent` (of `performance.now`) until the service answers; undefined when it never does. */
export function awaitAnswer(probe: SynProbe, sent: number, { quiet, late, giveUp }: Patience): number | undefined {
  for (;;) {
    const elapsed = (performance.now() - sent) * 1000;
    if (elapsed > giveUp) return undefined;
    if (elapsed < quiet) {
      wait([], [], quiet - elapsed);
      continue;
    }
    probe.send();
    if (wait([], [probe.fd], elapsed < 20_000 ? STEP : late).length > 0 && probe.answered())
      return performance.now() - sent;
  }
}
