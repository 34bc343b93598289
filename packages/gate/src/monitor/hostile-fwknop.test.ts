import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GateFiles } from '@postern/testkit/gate-process';
import { Namespace, namespacesAvailable } from '@postern/testkit/namespace';
import { makeGateSecrets, writeGateKey } from '../config/gate-key.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
/** What its commands would leave behind. */
const MARK = '/tmp/postern-hostile-fwknop';

const STANZAS = `
[services.web]
ports = ["tcp/80", "tcp/443"]
protect = true
[services.ssh]
ports = ["tcp/22"]
protect = true
[fwknop]
hear = ["udp/62202"]
[fwknop.stanzas.alice]
source = ["10.77.0.66"]
open_ports = ["tcp/22"]
require_user = "ada"
max_seconds = 20
[fwknop.stanzas.bob]
source = ["10.78.0.0/16"]
`;

test(
  'a sentry that was taken over has what the stanzas of its keys allow, at their rate, and neither commands nor forwards; 120,000 frames do not stop the monitor',
  { skip, timeout: 120_000 },
  async () => {
    using gateSide = new Namespace('gate');
    using world = new Namespace('world');
    gateSide.connect(world, ['10.77.0.1/16'], ['10.77.0.2/16']);
    await using gate = new GateFiles(gateSide);
    const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size));
    writeGateKey(join(gate.directory, 'gate.key'), makeGateSecrets(random));
    const key = (): string => Buffer.from(random(32)).toString('base64');
    const keys = ['alice', 'bob'].map((name) => `[${name}]\nkey = "${key()}"\nhmac_key = "${key()}"\n`);
    writeFileSync(join(gate.directory, 'fwknop.keys'), keys.join(''), { mode: 0o600 });
    writeFileSync(
      gate.config,
      `[gate]\nname = "hostile"\naddresses = ["10.77.0.1"]\nstate = "${gate.directory}/state"\nsocket = "${gate.directory}/sock"\n${STANZAS}`,
    );
    const here = resolve(import.meta.dirname, '../testing');
    assert.ok(!existsSync(MARK));
    const began = Date.now();
    await gate.startProgram(join(here, 'run-monitor.ts'), [gate.config, join(here, 'hostile-fwknop-sentry.ts')]);
    const monitor = gate.pid;
    const deadline = began + 90_000;
    while (!/flood: \d+ frames/.test(gate.log)) {
      if (Date.now() > deadline) assert.fail(`no flood within 90 s\n${gate.log}`);
      await sleep(100);
    }
    assert.ok(Number(/flood: (\d+) frames/.exec(gate.log)?.[1]) >= 120_000);
    const seconds = (Date.now() - began) / 1000;
    const status = gate.json('status') as {
      pid: number;
      granted: number;
      sentry: { restarts: number };
      refusals: Record<string, number>;
      fwknop: { opened: number; refused: Record<string, number> };
    };
    assert.deepEqual([status.pid, status.sentry.restarts], [monitor, 0]);
    const { opened, refused } = status.fwknop;
    assert.ok(opened > 0 && opened <= 256 + 20 * seconds + 20, `${String(opened)} in ${String(seconds)} s`);
    for (const reason of ['source', 'past', 'age', 'user', 'ports', 'command-off', 'nat-off', 'rate'])
      assert.ok((refused[reason] ?? 0) > 0, `${reason}: ${JSON.stringify(refused)}`);
    assert.ok(
      (status.refusals['frame'] ?? 0) > 1000 && (status.refusals['rate-line'] ?? 0) > 1000,
      JSON.stringify(status.refusals),
    );
    const table = gateSide.run('nft', ['list', 'table', 'inet', 'postern']);
    const openings = table.match(/\d+\.\d+\.\d+\.\d+ \. tcp \. \d+/g) ?? [];
    assert.ok(openings.length > 0);
    for (const opening of openings) assert.match(opening, /^10\.77\.\d+\.\d+ \. tcp \. 22$/);
    assert.ok(!existsSync(MARK), 'a command ran');
    const told = gate.log.split('\n').filter((text) => text.includes("a packet of fwknop's format opened nothing"));
    assert.ok(told.length <= seconds + 2, `${String(told.length)} lines in ${String(seconds)} s`);
    assert.ok(told.every((text) => !/[^ -~]/.test(text)));
  },
);
