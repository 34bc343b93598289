import { decodeMonitorFrame, encodeSentryFrame, type MonitorFrame, type SentryFrame } from '../line/codec.ts';
import { FRAME } from '../line/frame.ts';
import { Reassembler } from '../line/reassembler.ts';
import * as libc from '../system/libc.ts';

/** The sentry's end of the line to the monitor. It never waits, but for the first frames. */
export class LineEnd {
  readonly fd: number;
  readonly #out = new Uint8Array(FRAME);
  readonly #in = new Uint8Array(64 * FRAME);
  readonly #reassembler: Reassembler;
  #onFrame: (frame: MonitorFrame) => void = () => undefined;

  constructor(fd: number) {
    this.fd = fd;
    this.#reassembler = new Reassembler((bytes) => {
      this.#onFrame(understood(decodeMonitorFrame(bytes)));
    });
  }

  /** Sends a frame. False when the line is full. @throws Error when it is closed */
  send(frame: SentryFrame): boolean {
    const { MSG_DONTWAIT, MSG_NOSIGNAL } = libc.SOCKET;
    const sent = libc.send(this.fd, encodeSentryFrame(frame, this.#out), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent === FRAME) return true;
    if (sent === -libc.ERRNO.EAGAIN) return false;
    // The kernel takes a frame whole or not at all; a part of one would put the stream out of step for good.
    throw new Error(`the line took ${sent < 0 ? libc.errnoName(sent) : `${String(sent)} bytes`}`);
  }

  /** Gives the frames that wait to `onFrame`; false when the monitor closed the line. @throws Error on a frame that is none */
  receive(onFrame: (frame: MonitorFrame) => void): boolean {
    this.#onFrame = onFrame;
    for (;;) {
      const size = libc.receive(this.fd, this.#in, libc.SOCKET.MSG_DONTWAIT);
      if (size === -libc.ERRNO.EAGAIN || size === -libc.ERRNO.EINTR) return true;
      if (size <= 0) return false;
      this.#reassembler.push(this.#in.subarray(0, size));
    }
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
