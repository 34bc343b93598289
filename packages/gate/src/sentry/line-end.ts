import { decodeMonitorFrame, encodeSentryFrame, type MonitorFrame, type SentryFrame } from '../line/codec.ts';
import { FRAME } from '../line/frame.ts';
import * as libc from '../system/libc.ts';
import { FrameEnd } from './frame-end.ts';

/** The sentry's end of the line to the monitor. It never waits, but for the first frames. */
export class LineEnd {
  readonly fd: number;
  readonly #out = new Uint8Array(FRAME);
  readonly #end: FrameEnd;

  constructor(fd: number) {
    this.fd = fd;
    this.#end = new FrameEnd(fd, FRAME);
  }

  /** Sends a frame. False when the line is full. @throws Error when it is closed */
  send(frame: SentryFrame): boolean {
    return this.#end.send(encodeSentryFrame(frame, this.#out));
  }

  /** Gives the frames that wait to `onFrame`; false when the monitor closed the line. @throws Error on a frame that is none */
  receive(onFrame: (frame: MonitorFrame) => void): boolean {
    return this.#end.receive((bytes) => {
      onFrame(understood(decodeMonitorFrame(bytes)));
    });
  }

  /** Waits for one frame. @throws Error when the line is closed or a frame is none */
  receiveOne(): MonitorFrame {
    const frame = new Uint8Array(FRAME);
    for (let filled = 0; filled < FRAME;) {
      const size = libc.receive(this.fd, frame.subarray(filled), 0);
      if (size === -libc.ERRNO.EINTR) continue;
      if (size <= 0) throw new Error('the line was closed');
      filled += size;
    }
    return understood(decodeMonitorFrame(frame));
  }
}

function understood(frame: MonitorFrame | undefined): MonitorFrame {
  if (frame === undefined) throw new Error('the monitor sent what no monitor of ours sends');
  return frame;
}
