import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ANSWER_FRAME,
  decodeGpgAnswer,
  decodeGpgRequest,
  DECRYPT_FRAME,
  encodeGpgAnswer,
  encodeGpgRequest,
  GPG_FRAME,
  GPG_OUTCOMES,
  type GpgAnswer,
  type GpgRequest,
  type GpgSignature,
  MOST_CIPHERTEXT,
  MOST_PLAINTEXT,
  MOST_SIGNATURES,
} from './gpg-line.ts';

const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true });
const bytes = (min: number, max: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max, size: 'max' });
const head = { id: fc.nat(0xffffffff), credential: fc.nat(0xffff) };
const request: fc.Arbitrary<GpgRequest> = record({ ...head, ciphertext: bytes(1, MOST_CIPHERTEXT) });

const print = bytes(20, 20).filter((value) => value.some((byte) => byte !== 0));
const maybe = fc.option(print, { nil: undefined });
const signature: fc.Arbitrary<GpgSignature> = fc.oneof(
  record({ verified: fc.constant(true), fingerprint: print, primary: print }),
  record({ verified: fc.constant(false), fingerprint: maybe, primary: maybe }),
);
const none = { plaintext: fc.constant(new Uint8Array(0)), signatures: fc.constant([]) };
const answer: fc.Arbitrary<GpgAnswer> = fc.oneof(
  record<GpgAnswer>({
    ...head,
    outcome: fc.constant('ok'),
    plaintext: bytes(1, MOST_PLAINTEXT),
    signatures: fc.array(signature, { maxLength: MOST_SIGNATURES }),
  }),
  record<GpgAnswer>({ ...head, outcome: fc.constantFrom(...GPG_OUTCOMES).filter((one) => one !== 'ok'), ...none }),
);

test('requests and answers come out as they went in', () => {
  fc.assert(fc.property(request, (frame) => assert.deepEqual(decodeGpgRequest(encodeGpgRequest(frame)), frame)));
  fc.assert(fc.property(answer, (frame) => assert.deepEqual(decodeGpgAnswer(encodeGpgAnswer(frame)), frame)));
});

test('a frame is written over whatever was there', () => {
  const dirty = (): Uint8Array => new Uint8Array(GPG_FRAME).fill(0xff);
  fc.assert(
    fc.property(request, answer, (asked, answered) => {
      assert.deepEqual(decodeGpgRequest(encodeGpgRequest(asked, dirty())), asked);
      assert.deepEqual(decodeGpgAnswer(encodeGpgAnswer(answered, dirty())), answered);
    }),
  );
});

test('a frame with any byte changed is another frame or none, and any bytes are a frame that encodes to them or none', () => {
  const canonical = (frame: Uint8Array): void => {
    const [asked, answered] = [decodeGpgRequest(frame), decodeGpgAnswer(frame)];
    if (asked !== undefined) assert.deepEqual(encodeGpgRequest(asked), frame);
    if (answered !== undefined) assert.deepEqual(encodeGpgAnswer(answered), frame);
  };
  const good = fc.oneof(
    request.map((frame) => encodeGpgRequest(frame)),
    answer.map((frame) => encodeGpgAnswer(frame)),
  );
  fc.assert(fc.property(bytes(0, GPG_FRAME + 1), canonical));
  fc.assert(
    fc.property(good, fc.oneof(fc.nat(200), fc.nat(GPG_FRAME - 1)), fc.nat(255), (frame, at, value) => {
      frame[at] = value;
      canonical(frame);
    }),
  );
});

test('what does not fit is not encoded, and a length that reaches too far is no frame', () => {
  const head = { id: 1, credential: 0 };
  const text = { ...head, outcome: 'ok' as const, signatures: [] };
  assert.throws(() => encodeGpgRequest({ ...head, ciphertext: new Uint8Array(0) }), RangeError);
  assert.throws(() => encodeGpgRequest({ ...head, ciphertext: new Uint8Array(MOST_CIPHERTEXT + 1) }), RangeError);
  assert.throws(() => encodeGpgAnswer({ ...text, plaintext: new Uint8Array(MOST_PLAINTEXT + 1) }), RangeError);
  assert.throws(() => encodeGpgAnswer({ ...text, outcome: 'time', plaintext: new Uint8Array(1) }), RangeError);
  const unsigned = { verified: true, fingerprint: undefined, primary: undefined };
  const plaintext = new Uint8Array(1);
  assert.throws(() => encodeGpgAnswer({ ...text, plaintext, signatures: [unsigned] }), RangeError);
  assert.throws(
    () => encodeGpgAnswer({ ...text, plaintext, signatures: Array(5).fill({ ...unsigned, verified: false }) }),
    RangeError,
  );
  const frame = encodeGpgRequest({ ...head, ciphertext: Uint8Array.of(1) });
  frame[DECRYPT_FRAME.length] = 0xff;
  assert.equal(decodeGpgRequest(frame), undefined);
  const unverified = encodeGpgAnswer({ ...text, plaintext, signatures: [{ ...unsigned, verified: false }] });
  unverified[ANSWER_FRAME.signatures] = 1;
  assert.equal(decodeGpgAnswer(unverified), undefined, 'verified, by nobody');
});
