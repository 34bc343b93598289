import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { DEVICE, Household } from '../household.ts';
import { Sshd } from '../sshd.ts';
import { namespacesAvailable } from '../namespace.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const KNOCKS = 20;

test(
  '20 knocks of one device at once, over a wire with 200 ms jitter: all open, each for one connection, none twice',
  { skip, timeout: 180_000 },
  async () => {
    await using house = await Household.build({
      wire: { delay: 5, jitter: 200, loss: 0, duplicate: 0.1 },
      services: '[services.ssh]\nports = ["tcp/22"]\nseconds = 120\nsingle_use = true\nprotect = true\n',
    });
    await using sshd = await Sshd.start(house.gateSide);
    assert.ok(sshd.pid > 0);
    house.join();
    const ran = await Promise.all(
      Array.from({ length: KNOCKS }, () => house.posternLater('knock', 'demo', '-4', '--timeout', '60')),
    );
    for (const { code, err } of ran) assert.equal(code, 0, err);
    assert.equal(house.grants().length, KNOCKS, house.grants().join('\n'));
    // A connection over this wire takes up to 0.4 s; a lost race with a retransmission is the same connection.
    let admitted = 0;
    while (admitted <= KNOCKS && (await house.reaches(22, DEVICE[4], 3000))) admitted++;
    assert.equal(admitted, KNOCKS);
    assert.deepEqual(house.grants(), []);
    const { granted } = house.gate.json('status') as { granted: number };
    assert.equal(granted, KNOCKS);
  },
);

test(
  'round trips of two seconds and a fifth of all packets lost: a knock still opens, without help',
  { skip, timeout: 180_000 },
  async () => {
    await using house = await Household.build({ wire: { delay: 950, jitter: 100, loss: 0.2, duplicate: 0 } });
    // joining is a knock too, over the same wire
    house.join();
    for (let i = 0; i < 5; i++) {
      const { code, err } = house.postern('knock', 'demo', '-4', '--timeout', '30');
      assert.equal(code, 0, err);
    }
  },
);
