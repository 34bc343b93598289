import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { deviceIdOf, parsePrefix, type RequestId, type UnixMicros } from '@postern/protocol';
import { makeGateSecrets, writeGateKey } from '../config/gate-key.ts';
import { encodeKey } from '../config/schema.ts';
import { makePlace, makePublicKey } from '../config/testing.ts';
import { memoryFirewall } from '../firewall/memory.ts';
import { Gate } from './gate.ts';
import { formatTarget, leadFor } from './grant.ts';

const PLAIN = '[services.web]\nports = ["tcp/8443"]\nprotect = true\nseconds = 600\n';

test('a reload that begins to forward, moves the service, or ends forwarding: grants lead where they were made for', async () => {
  using place = makePlace();
  const gateTable = `[gate]\nname = "test"\nsentry_user = "nobody"\nstate = "${place.path('state')}"\nsocket = "${place.path('posternd.sock')}"\n`;
  const configFile = place.write('posternd.toml', gateTable + PLAIN);
  const publicKey = makePublicKey();
  const device = deviceIdOf(publicKey);
  place.write(
    'users.d/ada.toml',
    `services = ["web"]\n[[devices]]\nname = "laptop"\ned25519 = "${encodeKey(publicKey)}"\n`,
  );
  writeGateKey(
    place.path('gate.key'),
    makeGateSecrets((size) => new Uint8Array(randomBytes(size))),
    true,
  );
  const now = 1_800_000_000_000_000 as UnixMicros;
  const firewall = memoryFirewall({ now: () => now });
  using gate = new Gate({ configFile, firewall, clock: () => now, log: () => undefined });
  gate.start();
  let requests = 0;
  const source = parsePrefix('192.0.2.7');
  assert.ok(source);
  const open = (): void => {
    const [service] = gate.configuration.services;
    assert.ok(service);
    const lead = leadFor(service, source);
    assert.ok(lead.ok);
    const { endpoints, seconds } = service;
    const wanted = { device, request: String(requests++) as RequestId, service: service.name };
    const grant = { ...wanted, source, endpoints, seconds, singleUse: false, target: lead.value };
    assert.ok(gate.grants.open(grant, now).ok);
  };
  const reload = (more: string): void => {
    place.write('posternd.toml', gateTable + PLAIN + more);
    assert.deepEqual(gate.reload().needsRestart, []);
  };
  const held = (): (string | undefined)[] =>
    firewall.list().openings.map(({ target }) => (target === undefined ? undefined : formatTarget(target)));

  open();
  assert.deepEqual(held(), [undefined]);
  reload('forward = "10.0.3.7:443"\n');
  assert.deepEqual(held(), [undefined], 'what is granted stays as it is');
  open();
  assert.deepEqual(held(), ['10.0.3.7:443']);
  reload('forward = "10.0.3.8"\n');
  assert.deepEqual(held(), ['10.0.3.7:443']);
  open();
  assert.deepEqual(held(), ['10.0.3.8:8443']);
  assert.equal(gate.grants.live(now).length, 1, 'the others led elsewhere');
  reload('');
  firewall.remove();
  await gate.watch();
  assert.deepEqual(held(), ['10.0.3.8:8443'], 'it leads on, also after somebody flushed the rules');
  open();
  assert.deepEqual(held(), [undefined]);
});
