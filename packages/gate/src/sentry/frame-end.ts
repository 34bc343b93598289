import { Reassembler } from '../line/reassembler.ts';
import * as libc from '../system/libc.ts';

/** The sentry's end of a stream of frames of one size. It never waits. */
export class FrameEnd {
  readonly #fd: number;
  readonly #size: number;
  /** Whole frames, so that a sentry that ends leaves no part of one to its successor. */
  readonly #in: Uint8Array;
  readonly #reassembler: Reassembler;
  #onFrame: (frame: Uint8Array) => void = () => undefined;

  /** @param size - bytes of a frame */
  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
    this.#in = new Uint8Array(64 * size);
    this.#reassembler = new Reassembler((bytes) => {
      this.#onFrame(bytes);
    }, size);
  }

  /** Sends a frame. False when the line is full. @throws Error when it is closed */
  send(frame: Uint8Array): boolean {
    const { MSG_DONTWAIT, MSG_NOSIGNAL } = libc.SOCKET;
    const sent = libc.send(this.#fd, frame, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent === this.#size) return true;
    if (sent === -libc.ERRNO.EAGAIN) return false;
    // The kernel takes a frame whole or not at all; a part of one would put the stream out of step for good.
    throw new Error(`the line took ${sent < 0 ? libc.errnoName(sent) : `${String(sent)} bytes`}`);
  }

  /** Gives the frames that wait to `onFrame`, each valid only during that call; false when the other end closed the line. */
  receive(onFrame: (frame: Uint8Array) => void): boolean {
    this.#onFrame = onFrame;
    for (;;) {
      const size = libc.receive(this.#fd, this.#in, libc.SOCKET.MSG_DONTWAIT);
      if (size === -libc.ERRNO.EAGAIN || size === -libc.ERRNO.EINTR) return true;
      if (size <= 0) return false;
      this.#reassembler.push(this.#in.subarray(0, size));
    }
  }
}
