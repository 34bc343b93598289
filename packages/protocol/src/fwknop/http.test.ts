import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii } from '../bytes.ts';
import { decodeFwknopHttp, encodeFwknopHttp } from './http.ts';

const payload = fc
  .array(fc.constantFrom(...Array.from('ABCXYZabcxyz0189+/')), { minLength: 1, maxLength: 1500 })
  .map((characters) => ascii(characters.join('')));
const options = { host: 'gate.example', userAgent: 'Fwknop/2.6.10' };

test('what is written is read back', () => {
  fc.assert(
    fc.property(payload, (bytes) => {
      const request = encodeFwknopHttp(bytes, options);
      assert.match(request, /^GET \/[\w-]+ HTTP\/1\.1\r\n/);
      assert.deepEqual(decodeFwknopHttp(ascii(request)), bytes);
    }),
  );
});

test('for a proxy the first line names the server', () => {
  const request = encodeFwknopHttp(ascii('a+/b'), { ...options, proxy: true });
  assert.match(request, /^GET http:\/\/gate\.example\/a-_b HTTP\/1\.1\r\n.*\r\nHost: gate\.example\r\n/s);
});

test('only a request that fwknop’s client makes holds a payload, unless any program’s is asked for', () => {
  const read = (text: string, anyUserAgent = false): string | undefined => {
    const bytes = decodeFwknopHttp(ascii(text), { anyUserAgent });
    return bytes === undefined ? undefined : String.fromCharCode(...bytes);
  };
  assert.equal(read('GET /abc HTTP/1.1\r\nHost: x\r\nUser-Agent: Fwknop/2.6.10\r\n\r\n'), 'abc');
  assert.equal(read('GET /abc HTTP/1.1\r\nUser-Agent: curl/8\r\n\r\n'), undefined);
  assert.equal(read('GET /abc HTTP/1.1\r\nUser-Agent: curl/8\r\n\r\n', true), 'abc');
  assert.equal(read('GET /abc HTTP/1.1\r\n\r\n', true), 'abc');
  assert.equal(read('POST /abc HTTP/1.1\r\n\r\n', true), undefined);
  assert.equal(read('GET /ab%20c HTTP/1.1\r\n\r\n', true), undefined);
  assert.equal(read('GET / HTTP/1.1\r\n\r\n', true), undefined);
  assert.equal(read('GET /abc', true), undefined);
  assert.equal(read(`GET /${'a'.repeat(1501)} HTTP/1.1\r\n\r\n`, true), undefined);
  assert.equal(read(`GET /abc HTTP/1.1\r\n${'a'.repeat(3000)}`, true), undefined);
});

test('any bytes get an answer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3100 }), (bytes) => {
      assert.equal(decodeFwknopHttp(bytes, { anyUserAgent: true }), undefined);
    }),
  );
});

test('nothing that could make a second header is written', () => {
  for (const wrong of [{ host: 'a\r\nb' }, { host: 'a b' }, { host: '' }, { userAgent: 'a\nb' }, { userAgent: '' }]) {
    assert.throws(() => encodeFwknopHttp(ascii('abc'), { ...options, ...wrong }), RangeError);
  }
});
