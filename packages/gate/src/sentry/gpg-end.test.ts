import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeGpgRequest, encodeGpgAnswer, GPG_FRAME, type GpgAnswer } from '../line/gpg-line.ts';
import * as libc from '../system/libc.ts';
import { ASKED_MICROS, GpgEnd, MOST_ASKED } from './gpg-end.ts';

const MESSAGE = Uint8Array.of(0x85, 1, 2);

/** An end, and a helper that is only its descriptor. */
class Pair implements Disposable {
  readonly end: GpgEnd<string>;
  readonly #fds = libc.streamPair();
  #closed = false;

  constructor(firstId = 7) {
    this.end = new GpgEnd(this.#fds[0], firstId);
  }

  /** Ids of the requests that wait, and what was in them. */
  read(): { readonly id: number; readonly credential: number; readonly ciphertext: Uint8Array }[] {
    const frame = new Uint8Array(GPG_FRAME);
    const requests = [];
    while (libc.receive(this.#fds[1], frame, libc.SOCKET.MSG_DONTWAIT) === GPG_FRAME)
      requests.push(decodeGpgRequest(frame) ?? assert.fail('no request'));
    return requests;
  }

  answer(answer: Pick<GpgAnswer, 'id' | 'credential'>): void {
    const plaintext = Buffer.from(`text of ${answer.id}`);
    this.write(encodeGpgAnswer({ ...answer, outcome: 'ok', plaintext, signatures: [] }));
  }

  write(bytes: Uint8Array): void {
    assert.equal(libc.send(this.#fds[1], bytes, libc.SOCKET.MSG_DONTWAIT), bytes.length);
  }

  /** What came, as `context: text`. */
  receive(now = 0): string[] {
    const got: string[] = [];
    const open = this.end.receive(({ plaintext }, context) => {
      got.push(`${context}: ${Buffer.from(plaintext).toString()}`);
    }, now);
    assert.equal(open, !this.#closed);
    return got;
  }

  close(): void {
    this.#closed = true;
    libc.close(this.#fds[1]);
  }

  [Symbol.dispose](): void {
    libc.close(this.#fds[0]);
    if (!this.#closed) libc.close(this.#fds[1]);
  }
}

test('a request goes out whole, and its answer comes back with what it was asked for', () => {
  using pair = new Pair(0xffffffff);
  assert.ok(pair.end.request(3, MESSAGE, 'ada', 0));
  assert.ok(pair.end.request(4, MESSAGE, 'bob', 0));
  const asked = pair.read();
  assert.deepEqual(
    asked.map(({ id, credential, ciphertext }) => [id, credential, [...ciphertext]]),
    [
      [0xffffffff, 3, [...MESSAGE]],
      [0, 4, [...MESSAGE]],
    ],
  );
  pair.answer({ id: 0, credential: 4 });
  pair.answer({ id: 0xffffffff, credential: 3 });
  assert.deepEqual(pair.receive(), ['bob: text of 0', 'ada: text of 4294967295']);
  assert.equal(pair.end.size, 0);
});

test('what was not asked, was answered, is of another credential or is no answer is passed over', () => {
  using pair = new Pair();
  pair.end.request(0, MESSAGE, 'ada', 0);
  pair.answer({ id: 8, credential: 0 });
  pair.answer({ id: 7, credential: 1 });
  pair.write(new Uint8Array(GPG_FRAME).fill(0xff));
  assert.deepEqual(pair.receive(), []);
  pair.answer({ id: 7, credential: 0 });
  pair.answer({ id: 7, credential: 0 });
  assert.deepEqual(pair.receive(), ['ada: text of 7']);
});

test('so many wait and no more, until they are answered or have waited too long', () => {
  using pair = new Pair();
  for (let count = 0; count < MOST_ASKED; count++) assert.ok(pair.end.request(0, MESSAGE, String(count), count));
  assert.ok(!pair.end.request(0, MESSAGE, 'late', MOST_ASKED));
  pair.answer({ id: 7, credential: 0 });
  pair.receive(MOST_ASKED);
  assert.ok(pair.end.request(0, MESSAGE, 'later', MOST_ASKED));
  assert.ok(!pair.end.request(0, MESSAGE, 'too late', ASKED_MICROS));
  assert.ok(pair.end.request(0, MESSAGE, 'in time', ASKED_MICROS + 1), 'the second has waited too long');
  pair.answer({ id: 8, credential: 0 });
  assert.deepEqual(pair.receive(ASKED_MICROS + 1), []);
  assert.ok(pair.end.request(0, MESSAGE, 'after a jump', -ASKED_MICROS), 'a clock that goes back locks nobody out');
});

test('with other credentials no earlier answer counts', () => {
  using pair = new Pair();
  pair.end.request(0, MESSAGE, 'ada', 0);
  pair.end.forget();
  pair.answer({ id: 7, credential: 0 });
  assert.deepEqual(pair.receive(), []);
});

test('a full line is busy, and a closed one is told', () => {
  using pair = new Pair();
  let asked = 0;
  while (pair.end.request(0, MESSAGE, '', 0)) {
    asked++;
    pair.end.forget();
  }
  assert.ok(asked > MOST_ASKED, `${asked} frames fit`);
  assert.equal(pair.read().length, asked);
  pair.close();
  pair.receive();
  assert.throws(() => pair.end.request(0, MESSAGE, '', 0), /the line took EPIPE/);
});
