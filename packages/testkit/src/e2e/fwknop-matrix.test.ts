/**
 * fwknop's ways of opening a port, between its own peers and ours: a small table that has every mode, HMAC, digest, type of message,
 * transport and form of a key, and every pair of mode and HMAC and of type and transport. Each cell is a real connection, and the port closes.
 */
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import {
  fwknopCells,
  FWKNOP_PORTS,
  FWKNOP_SECONDS,
  FwknopUse,
  type FwknopCell,
  type FwknopException,
} from '../fwknop-cell.ts';
import { FwknopClient, fwknopAvailable, type FwknopClientKind } from '../fwknop-client.ts';
import { FwknopGround } from '../fwknop-ground.ts';
import { playMatrix } from '../fwknop-matrix.ts';
import { startFwknopServer, type FwknopServerKind } from '../fwknop-server.ts';
import { fwknopdAvailable } from '../fwknopd.ts';
import { GpgHome } from '../gpg-home.ts';
import { namespacesAvailable } from '../namespace.ts';

const able = namespacesAvailable() && fwknopdAvailable() && fwknopAvailable();
const skip = able || process.env['CI'] === 'true' ? false : 'NEEDS ROOT AND fwknop: script/bootstrap test';

const HMACS = ['md5', 'sha1', 'sha256', 'sha384', 'sha512', 'sha3_256', 'sha3_512'] as const;

/** What fwknop 2.6.10 does not do with itself: it was asked for every other cell of the table, and opens them all. */
const EXCEPTIONS: readonly FwknopException[] = HMACS.map((hmac) => ({
  cells: { mode: 'legacy', hmac },
  reason: 'the client refuses an HMAC in legacy mode',
}));
const ORDINARY: FwknopCell = {
  mode: 'cbc',
  hmac: 'sha256',
  type: 'access',
  transport: 'udp',
  digest: 'sha256',
  key: 'base64',
  hmacKey: 'base64',
  options: 'arguments',
};

const CONFIGURATION = `ENABLE_SPA_OVER_HTTP Y;
ENABLE_IPT_FORWARDING Y;
ENABLE_IPT_LOCAL_NAT Y;
`;

/** Who is tried with whom, and how many clients at once: each of ours is a process of Node. */
const PEERS: readonly {
  readonly client: FwknopClientKind;
  readonly server: FwknopServerKind;
  readonly atOnce: number;
}[] = [
  { client: 'fwknop', server: 'posternd', atOnce: 4 },
  { client: 'postern', server: 'fwknopd', atOnce: 2 },
];

async function keyrings(
  ground: FwknopGround,
): Promise<Disposable & { readonly client: GpgHome; readonly server: GpgHome }> {
  const stack = new DisposableStack();
  const client = stack.use(await GpgHome.create(ground.world, 'client'));
  const server = stack.use(await GpgHome.create(ground.gateSide, 'server'));
  client.learn(server);
  server.learn(client);
  return {
    client,
    server,
    [Symbol.dispose]: () => {
      stack.dispose();
    },
  };
}

for (const { client: kind, server, atOnce } of PEERS) {
  test(`${kind} opens ports of ${server} in every way`, { skip, timeout: 180_000 }, async (context) => {
    const cells = fwknopCells(EXCEPTIONS);
    using ground = await FwknopGround.build(cells.length);
    using gpg = await keyrings(ground);
    const uses = cells.map((cell, i) => new FwknopUse(cell, i, ground.source(i), ground.places, gpg));
    await using daemon = await startFwknopServer(server, {
      namespace: ground.gateSide,
      device: ground.device,
      access: uses.map((use) => use.stanza()).join('\n'),
      configuration: CONFIGURATION,
      hidden: [FWKNOP_PORTS.access, FWKNOP_PORTS.local],
    });
    using client = new FwknopClient(ground.world, kind);
    client.configure(uses.map((use) => use.request().rc).join('\n'));

    const { outcomes, open } = await playMatrix(ground, uses, client, atOnce);

    const seconds = (value: number | undefined): string =>
      value === undefined ? 'never' : `${(value / 1000).toFixed(1)} s`;
    for (const { use, opened, closed, refusal } of outcomes) {
      const row = Object.values(use.cell).map((value) => value.padEnd(11));
      context.diagnostic(`${row.join(' ')} opened ${seconds(opened)}, closed ${seconds(closed)} ${refusal}`);
    }
    for (const { cells: excepted, reason } of EXCEPTIONS)
      context.diagnostic(`not ${Object.values(excepted).join(' with ')}: ${reason}`);
    assert.deepEqual(open, []);
    const failed = outcomes.filter(({ opened, closed }) => opened === undefined || closed === undefined);
    assert.deepEqual(
      failed.map(({ use, refusal }) => ({ ...use.cell, refusal })),
      [],
      daemon.log.slice(-8_000),
    );
    const brief = outcomes.filter(({ closed = 0 }) => closed < (FWKNOP_SECONDS - 1) * 1000);
    assert.deepEqual(
      brief.map(({ use }) => use.cell),
      [],
    );
  });
}

test('what the table leaves out is what the real client refuses', { skip }, async () => {
  using ground = await FwknopGround.build(1);
  using gpg = await keyrings(ground);
  using client = new FwknopClient(ground.world);
  for (const { cells } of EXCEPTIONS) {
    const use = new FwknopUse({ ...ORDINARY, ...cells }, 0, ground.source(0), ground.places, gpg);
    const { code, err } = await client.run(...use.request().args);
    assert.notEqual(code, 0);
    assert.match(err, /legacy/i);
  }
});
