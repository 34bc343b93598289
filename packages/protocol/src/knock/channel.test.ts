import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BAD, BURST, CLEAR, PARAMETERS, simulate } from '../testdata/knock-channel.ts';

test('the defaults stand a tenth lost, everything overtaken, 300 ms with jitter and 50 spoofed packets per second', () => {
  const { observed, bound } = simulate(BAD, BURST, PARAMETERS, 1200, 1);
  assert.ok(observed >= 0.999 && bound >= 0.999, `${observed}, ${bound}`);
});

test('sent once they stand a tenth lost, sent twice three tenths', () => {
  const once = simulate({ ...CLEAR, loss: 0.1 }, { ...BURST, passes: 1 }, PARAMETERS, 2000, 2);
  assert.ok(once.observed >= 0.999 && once.bound >= 0.997, `${once.observed}, ${once.bound}`);
  const twice = simulate({ ...CLEAR, loss: 0.3 }, BURST, PARAMETERS, 1500, 3);
  assert.ok(twice.observed >= 0.999 && twice.bound >= 0.998, `${twice.observed}, ${twice.bound}`);
});

test('a thousand spoofed packets per second from their own address do not cancel them', () => {
  const { observed, bound } = simulate({ ...CLEAR, loss: 0.3, noise: 1000, delay: 50 }, BURST, PARAMETERS, 500, 4);
  assert.ok(observed >= 0.99 && bound >= 0.99, `${observed}, ${bound}`);
});

test('fifty real services among the numbers cost nothing that shows', () => {
  const { observed, bound } = simulate({ ...BAD, services: 50 }, BURST, PARAMETERS, 600, 5);
  assert.ok(observed >= 0.998 && bound >= 0.998, `${observed}, ${bound}`);
});
