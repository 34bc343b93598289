import type { UnixMicros } from '@postern/protocol';
import type { GpgAnswer, GpgRequest, GpgResult } from '../line/gpg-line.ts';
import { TokenBucket } from '../monitor/token-bucket.ts';
import { nothing } from './decrypt.ts';

/** Messages that are decrypted at a time: no more than two cores are kept busy. */
const MOST_RUNNING = 2;

/** Messages that wait for their turn; with those that run, as many as an honest sentry asks for at once. */
const MOST_WAITING = 6;

/** Messages at once, and then a second: gpg takes 10 to 200 ms for one, and without an HMAC anybody can send them. */
const [BURST, PER_SECOND] = [20, 5];

/** Where requests come from and answers go to. */
export interface WorkOptions {
  /** Decrypts a message of a credential. */
  readonly decrypt: (credential: number, ciphertext: Uint8Array) => Promise<GpgResult>;
  readonly answer: (answer: GpgAnswer) => void;
  readonly clock: () => UnixMicros;
}

/** Has messages decrypted, few at a time and not too many a second; what is too much is answered `busy` at once. */
export class Work {
  readonly #options: WorkOptions;
  readonly #bucket: TokenBucket;
  readonly #waiting: GpgRequest[] = [];
  #running = 0;

  constructor(options: WorkOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket(PER_SECOND, BURST, options.clock());
  }

  /** Takes a request; its answer comes later, or at once. */
  take(request: GpgRequest): void {
    if (this.#waiting.length >= MOST_WAITING || !this.#bucket.take(this.#options.clock())) {
      this.#answer(request, nothing('busy'));
      return;
    }
    this.#waiting.push(request);
    this.#next();
  }

  #next(): void {
    if (this.#running >= MOST_RUNNING) return;
    const request = this.#waiting.shift();
    if (request === undefined) return;
    this.#running++;
    void this.#options.decrypt(request.credential, request.ciphertext).then((result) => {
      this.#running--;
      this.#answer(request, result);
      this.#next();
    });
  }

  #answer({ id, credential }: GpgRequest, result: GpgResult): void {
    this.#options.answer({ id, credential, ...result });
  }
}
