import { decodeGpgAnswer, encodeGpgRequest, GPG_FRAME, type GpgAnswer } from '../line/gpg-line.ts';
import { FrameEnd } from './frame-end.ts';

/** The most requests that the helper has at a time: as many as it runs and lets wait. */
export const MOST_ASKED = 8;

/** A request that has no answer by then draws none: the helper was started again. Microseconds. */
export const ASKED_MICROS = 10_000_000;

interface Asked<T> {
  readonly credential: number;
  readonly context: T;
  readonly expires: number;
}

/** The sentry's end of the line to the GPG helper. It never waits; what it cannot ask at once is not asked. */
export class GpgEnd<T> {
  readonly fd: number;
  readonly #end: FrameEnd;
  readonly #out = new Uint8Array(GPG_FRAME);
  readonly #asked = new Map<number, Asked<T>>();
  #next: number;

  /**
   * @param firstId - u32, random: the answer to a request of a sentry that was here before must not be taken for one to ours
   */
  constructor(fd: number, firstId: number) {
    this.fd = fd;
    this.#end = new FrameEnd(fd, GPG_FRAME);
    this.#next = firstId >>> 0;
  }

  /** How many requests wait for an answer. */
  get size(): number {
    return this.#asked.size;
  }

  /**
   * Asks for a message to be decrypted; its answer comes with `context`. False, and nothing asked, when too many wait.
   * @param ciphertext - binary OpenPGP message, 1 to 1,200 bytes
   * @throws RangeError on another size; Error when the line is closed
   */
  request(credential: number, ciphertext: Uint8Array, context: T, now: number): boolean {
    this.expire(now);
    if (this.#asked.size >= MOST_ASKED) return false;
    const id = this.#next;
    if (!this.#end.send(encodeGpgRequest({ id, credential, ciphertext }, this.#out))) return false;
    this.#next = (this.#next + 1) >>> 0;
    this.#asked.set(id, { credential, context, expires: now + ASKED_MICROS });
    return true;
  }

  /**
   * Gives the answers that wait to `onAnswer`, each with its request's context; false when the line was closed. What was not asked, was
   * answered or is no answer at all is passed over: a helper that was taken over must not end the sentry.
   */
  receive(onAnswer: (answer: GpgAnswer, context: T) => void, now: number): boolean {
    this.expire(now);
    return this.#end.receive((frame) => {
      const answer = decodeGpgAnswer(frame);
      const asked = answer === undefined ? undefined : this.#asked.get(answer.id);
      if (answer === undefined || asked?.credential !== answer.credential) return;
      this.#asked.delete(answer.id);
      onAnswer(answer, asked.context);
    });
  }

  /** Forgets what waited too long; a clock that went back makes nothing wait longer than it would have from then. */
  expire(now: number): void {
    for (const [id, { expires }] of this.#asked) {
      if (expires > now && expires <= now + ASKED_MICROS) return;
      this.#asked.delete(id);
    }
  }

  /** Forgets all requests: from now on credentials have other numbers. */
  forget(): void {
    this.#asked.clear();
  }
}
