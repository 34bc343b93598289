/** What every firewall backend must do: one suite, run against each of them on a stage of its own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatAddress, type Seconds } from '@postern/protocol';
import {
  ONCE_SECONDS,
  ONCE_SLOTS,
  type Applied,
  type Change,
  type Endpoint,
  type Exceptions,
  type Firewall,
  type Place,
  type Plan,
  type Source,
  type Target,
} from './port.ts';

/** A connection that was let in. */
export interface Connection {
  /** The port it comes from. */
  readonly port: number;
  /** Whether what the client sends still reaches the service and is answered. */
  talks(): Promise<boolean>;
  /** Leaves it open but known to nobody: what a host that never tracked connections has. */
  [Symbol.dispose](): void;
}

/** A gate with services and, elsewhere, clients. */
export interface Stage extends AsyncDisposable {
  readonly firewall: Firewall;
  /** Three addresses per family from which a client can come: the first two differ in the last bit alone, the third before it. */
  readonly clients: Readonly<Record<4 | 6, readonly [Uint8Array, Uint8Array, Uint8Array]>>;
  /** What the gate listens at: two TCP and two UDP services that send back what they get. */
  readonly services: { readonly tcp: readonly [Endpoint, Endpoint]; readonly udp: readonly [Endpoint, Endpoint] };
  /**
   * Services behind the gate: where they live, by family, and the endpoints that may lead there. The gate itself answers at none of
   * these endpoints, but refuses. `connect` to one of them rejects when it came to the gate.
   */
  behind(): {
    readonly targets: Readonly<Record<4 | 6, Target>>;
    readonly tcp: Endpoint;
    readonly udp: Endpoint;
  };
  /** Starts a connection; undefined when nothing came back. Rejects when something other than an answer came back. */
  connect(from: Uint8Array, to: Endpoint, port?: number): Promise<Connection | undefined>;
  /** Another process's firewall over what this one left. */
  reopen(): Firewall;
  wait(milliseconds: number): Promise<void>;
}

const PLAN: Plan = { knockPort: 62201, dropKnocks: true };
const nothing = (): undefined => undefined;
const NOTHING_ALLOWED: Exceptions = { endpoints: [], protocols: [], ping: false, interfaces: [] };
const OK: Applied = { ok: true };
const ID = '0011223344556677';
const OTHER_ID = '8899aabbccddeeff';
const LONG = 60 as Seconds;
/** Long enough for what must happen before it ends, also on a busy machine. */
const SHORT = 2 as Seconds;
const AFTER_SHORT = 2100;

function seconds(value: number): Seconds {
  return value as Seconds;
}

/** Runs the suite on stages that `open` makes. */
export function firewallContract(
  name: string,
  options: { skip?: string | false; concurrency?: number },
  open: () => Promise<Stage>,
): void {
  describe(`firewall contract: ${name}`, options, () => {
    test('without its table nothing can be changed, and it says so', async () => {
      await using stage = await open();
      const { firewall, clients, services } = stage;
      const endpoint = services.tcp[0];
      const source: Source = { family: 4, address: clients[4][0], prefix: 32 };
      const gone = { ok: false, reason: 'gone' };
      assert.deepEqual(firewall.list(), { openings: [], protections: [] });
      for (const change of [
        { kind: 'set', source, endpoint, seconds: LONG, id: ID },
        { kind: 'unset', source, endpoint },
        { kind: 'set', source: { ...source, prefix: 8 }, endpoint, seconds: LONG, id: ID },
        { kind: 'unset', source: { ...source, prefix: 8 }, endpoint },
        { kind: 'arm', source, endpoint, seconds: LONG, id: ID, slot: 0 },
        { kind: 'rearm', source, endpoint, seconds: LONG, id: ID, slot: 0 },
        { kind: 'disarm', source, endpoint, slot: 0 },
      ] satisfies Change[]) {
        assert.deepEqual(firewall.apply([change]), gone, change.kind);
      }
      assert.deepEqual(firewall.protect([endpoint], undefined), gone);
      assert.deepEqual(firewall.unprotect([endpoint]), gone);
      assert.deepEqual(firewall.darken(NOTHING_ALLOWED, undefined), gone);
      assert.deepEqual(firewall.lighten(), gone);
      assert.equal(firewall.darkness(), undefined);
      const flow = { family: 4, protocol: 'tcp', remoteAddress: source.address, remotePort: 1, localPort: 2 } as const;
      assert.deepEqual(firewall.seed([flow], LONG), gone);
    });

    test('an empty batch changes nothing', async () => {
      await using stage = await open();
      stage.firewall.install(PLAN);
      assert.deepEqual(stage.firewall.apply([]), OK);
      assert.deepEqual(stage.firewall.protect([], undefined), OK);
      assert.deepEqual(stage.firewall.unprotect([]), OK);
      assert.deepEqual(stage.firewall.seed([], LONG), OK);
    });

    test('misuse is thrown', async () => {
      await using stage = await open();
      const { firewall, clients, services } = stage;
      firewall.install(PLAN);
      const source: Source = { family: 4, address: clients[4][0], prefix: 32 };
      const endpoint = services.tcp[0];
      const arm = { kind: 'arm', source, endpoint, seconds: LONG, id: ID, slot: 0 } as const;
      const misuse: Change[] = [
        { ...arm, source: { ...source, prefix: 24 } },
        { ...arm, slot: ONCE_SLOTS },
        { ...arm, slot: -1 },
        { ...arm, seconds: seconds(ONCE_SECONDS + 1) },
        { ...arm, seconds: seconds(0) },
        { kind: 'set', source, endpoint, seconds: seconds(0.5), id: ID },
        { kind: 'set', source: { ...source, prefix: 33 }, endpoint, seconds: LONG, id: ID },
        { kind: 'set', source: { ...source, address: new Uint8Array(4) }, endpoint, seconds: LONG, id: ID },
        { kind: 'unset', source, endpoint: { protocol: 'tcp', port: 65536 } },
        { ...arm, target: { address: clients[6][0], port: 1, masquerade: false } },
        { ...arm, target: { address: clients[4][0], port: 65536, masquerade: false } },
      ];
      for (const change of misuse) assert.throws(() => firewall.apply([change]), RangeError);
      assert.throws(() => firewall.protect([endpoint], seconds(0)), RangeError);
      assert.throws(() => firewall.darken(NOTHING_ALLOWED, seconds(0)), RangeError);
      for (const wrong of [
        { endpoints: [{ protocol: 'tcp', port: 0 }] },
        { protocols: [256] },
        { interfaces: ['a"b'] },
        { interfaces: ['sixteen-letters-'] },
        { interfaces: ['*'] },
      ] satisfies Partial<Exceptions>[]) {
        assert.throws(() => firewall.darken({ ...NOTHING_ALLOWED, ...wrong }, LONG), RangeError);
      }
      assert.equal(firewall.darkness(), undefined);
      assert.throws(() => {
        firewall.install({ ...PLAN, knockPort: 0 });
      }, RangeError);
      assert.deepEqual(firewall.list(), { openings: [], protections: [] });
    });

    test('a protection with a time is undone by itself, a confirmed one stays until it is taken away', async () => {
      await using stage = await open();
      const { firewall, clients, services } = stage;
      firewall.install(PLAN);
      const [tried, confirmed] = services.tcp;
      const [from] = clients[4];
      assert.ok(await stage.connect(from, tried), 'installing alone closes nothing');
      assert.deepEqual(firewall.protect([tried, confirmed], SHORT), OK);
      assert.deepEqual(firewall.protect([confirmed], undefined), OK);
      assert.equal(await stage.connect(from, tried), undefined);
      await stage.wait(AFTER_SHORT);
      assert.ok(await stage.connect(from, tried));
      assert.equal(await stage.connect(from, confirmed), undefined);
      assert.deepEqual(firewall.list().protections, [{ endpoint: confirmed, remaining: undefined }]);
      assert.deepEqual(firewall.protect([confirmed], LONG), OK);
      const [held] = firewall.list().protections;
      assert.ok(
        held?.remaining !== undefined && held.remaining <= 60_000 && held.remaining > 50_000,
        'a new time replaces',
      );
      assert.deepEqual(firewall.unprotect([confirmed, tried, confirmed]), OK);
      assert.ok(await stage.connect(from, confirmed));
    });

    for (const family of [4, 6] as const) {
      const full = family === 4 ? 32 : 128;
      const scene = async (): Promise<{ stage: Stage; endpoint: Endpoint; other: Endpoint; sources: Source[] }> => {
        const stage = await open();
        const [endpoint, other] = stage.services.tcp;
        stage.firewall.install(PLAN);
        assert.deepEqual(stage.firewall.protect([endpoint, other], undefined), OK);
        return {
          stage,
          endpoint,
          other,
          sources: stage.clients[family].map((address) => ({ family, address, prefix: full })),
        };
      };
      const address = (sources: Source[], index: number): Uint8Array => sources[index]?.address ?? new Uint8Array(16);
      const source = (sources: Source[], index: number): Source => ({
        family,
        address: address(sources, index),
        prefix: full,
      });

      test(`IPv${family}: a grant lets one source reach one endpoint, as often as it likes`, async () => {
        const { stage, endpoint, other, sources } = await scene();
        await using _ = stage;
        const [one] = sources;
        assert.ok(one);
        assert.equal(await stage.connect(one.address, endpoint), undefined);
        assert.deepEqual(stage.firewall.apply([{ kind: 'set', source: one, endpoint, seconds: LONG, id: ID }]), OK);
        assert.ok(await stage.connect(one.address, endpoint));
        assert.ok(await stage.connect(one.address, endpoint));
        assert.equal(await stage.connect(one.address, other), undefined);
        assert.equal(await stage.connect(address(sources, 1), endpoint), undefined);
      });

      test(`IPv${family}: a grant that ends, or is taken away, leaves its connections alone`, async () => {
        const { stage, endpoint, other, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        const set = { kind: 'set', source: one, id: ID } as const;
        assert.deepEqual(
          stage.firewall.apply([
            { ...set, endpoint, seconds: SHORT },
            { ...set, endpoint: other, seconds: LONG },
          ]),
          OK,
        );
        const ending = await stage.connect(one.address, endpoint);
        const revoked = await stage.connect(one.address, other);
        assert.deepEqual(stage.firewall.apply([{ kind: 'unset', source: one, endpoint: other }]), OK);
        assert.deepEqual(
          stage.firewall.apply([{ kind: 'unset', source: one, endpoint: other }]),
          OK,
          'nothing there is no error',
        );
        await stage.wait(AFTER_SHORT);
        assert.equal(await stage.connect(one.address, endpoint), undefined);
        assert.equal(await stage.connect(one.address, other), undefined);
        assert.equal(await ending?.talks(), true);
        assert.equal(await revoked?.talks(), true);
        assert.deepEqual(stage.firewall.list().openings, []);
      });

      test(`IPv${family}: a grant that is set again has the new time, longer or shorter`, async () => {
        const { stage, endpoint, other, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        const set = { kind: 'set', source: one, id: ID } as const;
        const longer = { ...set, endpoint };
        const shorter = { ...set, endpoint: other };
        assert.deepEqual(
          stage.firewall.apply([
            { ...longer, seconds: SHORT },
            { ...shorter, seconds: LONG },
          ]),
          OK,
        );
        assert.deepEqual(
          stage.firewall.apply([
            { ...longer, seconds: LONG },
            { ...shorter, seconds: SHORT, id: OTHER_ID },
          ]),
          OK,
        );
        assert.deepEqual(new Set(stage.firewall.list().openings.map(({ id }) => id)), new Set([ID, OTHER_ID]));
        await stage.wait(AFTER_SHORT);
        assert.ok(await stage.connect(one.address, endpoint));
        assert.equal(await stage.connect(one.address, other), undefined);
      });

      test(`IPv${family}: an armed place lets in one connection, and what is let in lives on`, async () => {
        const { stage, endpoint, other, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        const arm = { kind: 'arm', source: one, endpoint, seconds: LONG, id: ID, slot: 7 } as const;
        assert.deepEqual(stage.firewall.apply([arm]), OK);
        assert.deepEqual(stage.firewall.apply([arm]), { ok: false, reason: 'taken' });
        assert.equal(await stage.connect(address(sources, 1), endpoint), undefined);
        assert.equal(await stage.connect(one.address, other), undefined);
        const only = await stage.connect(one.address, endpoint);
        assert.ok(only);
        assert.equal(await stage.connect(one.address, endpoint), undefined);
        assert.equal(await only.talks(), true);
        assert.deepEqual(stage.firewall.apply([{ ...arm, kind: 'rearm' }]), { ok: false, reason: 'missing' });
        assert.deepEqual(stage.firewall.apply([arm]), OK, 'a used place is free again');
        assert.ok(await stage.connect(one.address, endpoint));
      });

      test(`IPv${family}: a connection from the port of an earlier single one is a second one`, async () => {
        const { stage, endpoint, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        assert.deepEqual(
          stage.firewall.apply([{ kind: 'arm', source: one, endpoint, seconds: LONG, id: ID, slot: 0 }]),
          OK,
        );
        const first = await stage.connect(one.address, endpoint, 40_000);
        assert.ok(first);
        first[Symbol.dispose]();
        await stage.wait(50);
        assert.equal(await stage.connect(one.address, endpoint, 40_000), undefined);
      });

      test(`IPv${family}: what arms a place is told, in the order of the question, until it is used`, async () => {
        const { stage, endpoint, sources } = await scene();
        await using _ = stage;
        const { firewall } = stage;
        const [one, other] = [source(sources, 0), source(sources, 1)];
        const arm = (from: Source, slot: number, id: string): Change => ({
          ...{ kind: 'arm', source: from, endpoint, seconds: LONG, id, slot },
        });
        const place = (from: Source, slot: number): Place => ({ source: from, endpoint, slot });
        // The first that is asked for is not there: the others are told all the same.
        const places = [place(other, 0), place(one, 3), place(other, 1), place(one, 0), place(one, 0)];
        assert.deepEqual(firewall.armed(places), places.map(nothing));
        assert.deepEqual(firewall.armed([]), []);
        assert.deepEqual(firewall.apply([arm(one, 3, ID), arm(other, 1, OTHER_ID)]), OK);
        assert.deepEqual(firewall.armed(places), [undefined, { id: ID }, { id: OTHER_ID }, undefined, undefined]);
        const first = await stage.connect(one.address, endpoint);
        assert.ok(first);
        first[Symbol.dispose]();
        assert.deepEqual(firewall.armed(places), [undefined, undefined, { id: OTHER_ID }, undefined, undefined]);
        assert.throws(() => firewall.armed([place(one, ONCE_SLOTS)]), RangeError);
        firewall.remove();
        assert.deepEqual(firewall.armed(places), places.map(nothing));
      });

      test(`IPv${family}: all places of one source together let in exactly as many`, async () => {
        const { stage, endpoint, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        for (let slot = 0; slot < ONCE_SLOTS; slot++) {
          assert.deepEqual(
            stage.firewall.apply([{ kind: 'arm', source: one, endpoint, seconds: LONG, id: ID, slot }]),
            OK,
          );
        }
        assert.equal(stage.firewall.list().openings.length, ONCE_SLOTS);
        const tries = await Promise.all(
          Array.from({ length: ONCE_SLOTS + 8 }, () => stage.connect(one.address, endpoint)),
        );
        assert.equal(tries.filter((connection) => connection !== undefined).length, ONCE_SLOTS);
        assert.deepEqual(stage.firewall.list().openings, []);
      });

      test(`IPv${family}: a place ends by itself, is given a new time, and is disarmed`, async () => {
        const { stage, endpoint, sources } = await scene();
        await using _ = stage;
        const [ending, extended, disarmed] = sources;
        assert.ok(ending && extended && disarmed);
        const arm = { kind: 'arm', endpoint, seconds: SHORT, id: ID, slot: 31 } as const;
        assert.deepEqual(
          stage.firewall.apply([ending, extended, disarmed].map((from) => ({ ...arm, source: from }))),
          OK,
        );
        assert.deepEqual(stage.firewall.apply([{ ...arm, kind: 'rearm', source: extended, seconds: LONG }]), OK);
        assert.deepEqual(stage.firewall.apply([{ kind: 'disarm', source: disarmed, endpoint, slot: 31 }]), OK);
        assert.deepEqual(stage.firewall.apply([{ kind: 'disarm', source: disarmed, endpoint, slot: 31 }]), OK);
        assert.equal(await stage.connect(disarmed.address, endpoint), undefined);
        // Longer than the guard of the first time, too.
        await stage.wait(AFTER_SHORT + 1000);
        assert.equal(await stage.connect(ending.address, endpoint), undefined);
        assert.deepEqual(stage.firewall.apply([{ ...arm, kind: 'rearm', source: ending }]), {
          ok: false,
          reason: 'missing',
        });
        assert.ok(await stage.connect(extended.address, endpoint));
        assert.equal(await stage.connect(extended.address, endpoint), undefined);
      });

      test(`IPv${family}: a place lives as long as it was armed for, whatever its neighbours do`, async () => {
        const { stage, endpoint, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        const arm = { kind: 'arm', source: one, endpoint, id: ID } as const;
        assert.deepEqual(stage.firewall.apply([{ ...arm, seconds: LONG, slot: 0 }]), OK);
        assert.deepEqual(
          stage.firewall.apply([
            { ...arm, seconds: SHORT, slot: 1 },
            { ...arm, seconds: SHORT, slot: 2 },
          ]),
          OK,
        );
        assert.deepEqual(stage.firewall.apply([{ kind: 'disarm', source: one, endpoint, slot: 2 }]), OK);
        await stage.wait(AFTER_SHORT + 1000);
        assert.ok(await stage.connect(one.address, endpoint));
        assert.equal(await stage.connect(one.address, endpoint), undefined);
      });

      test(`IPv${family}: of a batch everything holds or nothing`, async () => {
        const { stage, endpoint, other, sources } = await scene();
        await using _ = stage;
        const [one, two] = sources;
        assert.ok(one && two);
        const arm = { kind: 'arm', source: one, endpoint, seconds: LONG, id: ID, slot: 0 } as const;
        const set = { kind: 'set', source: two, endpoint, seconds: LONG, id: ID } as const;
        assert.deepEqual(stage.firewall.apply([arm, set]), OK);
        const before = stage.firewall.list().openings.length;
        const refusals: [Change[], Applied][] = [
          [[{ ...set, endpoint: other }, arm], { ok: false, reason: 'taken' }],
          [[arm, { ...set, endpoint: other }], { ok: false, reason: 'taken' }],
          [
            [
              { kind: 'unset', source: two, endpoint },
              { ...arm, kind: 'rearm', slot: 1 },
            ],
            { ok: false, reason: 'missing' },
          ],
          [
            [
              { kind: 'disarm', source: one, endpoint, slot: 0 },
              { ...arm, slot: 1 },
              { ...arm, slot: 1 },
            ],
            { ok: false, reason: 'taken' },
          ],
        ];
        for (const [changes, expected] of refusals) assert.deepEqual(stage.firewall.apply(changes), expected);
        assert.equal(stage.firewall.list().openings.length, before);
        assert.equal(await stage.connect(two.address, other), undefined);
        assert.ok(await stage.connect(two.address, endpoint));
        assert.ok(await stage.connect(one.address, endpoint));
      });

      test(`IPv${family}: a later change of a batch finds what an earlier one left`, async () => {
        const { stage, endpoint, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        const wide = { ...one, prefix: full - 8 };
        const set = { kind: 'set', source: one, endpoint, seconds: LONG, id: ID } as const;
        const unset = { kind: 'unset', source: one, endpoint } as const;
        const arm = { kind: 'arm', source: one, endpoint, seconds: LONG, id: ID, slot: 0 } as const;
        const disarm = { kind: 'disarm', source: one, endpoint, slot: 0 } as const;
        const wideSet = { ...set, source: wide };
        const wideUnset = { ...unset, source: wide };
        assert.deepEqual(
          stage.firewall.apply([set, unset, unset, arm, disarm, disarm, wideSet, wideUnset, wideUnset]),
          OK,
        );
        assert.deepEqual(stage.firewall.list().openings, []);
        assert.deepEqual(stage.firewall.apply([set, arm, wideSet]), OK);
        assert.deepEqual(stage.firewall.apply([unset, set, disarm, arm, wideUnset, wideSet]), OK);
        assert.equal(stage.firewall.list().openings.length, 3);
        assert.deepEqual(stage.firewall.apply([unset, unset, disarm, disarm, wideUnset, wideUnset]), OK);
        assert.deepEqual(stage.firewall.list().openings, []);
      });

      test(`IPv${family}: prefixes let in whom they contain, also when one contains another`, async () => {
        const { stage, endpoint, sources } = await scene();
        await using _ = stage;
        const [one, two, three] = sources;
        assert.ok(one && two && three);
        const pair = { kind: 'set', source: { ...one, prefix: full - 1 }, endpoint, seconds: LONG, id: ID } as const;
        const half = { ...pair, source: { ...one, prefix: full / 2 }, id: OTHER_ID };
        assert.deepEqual(stage.firewall.apply([pair]), OK);
        assert.ok(await stage.connect(one.address, endpoint));
        assert.ok(await stage.connect(two.address, endpoint));
        assert.equal(await stage.connect(three.address, endpoint), undefined);
        assert.deepEqual(stage.firewall.apply([half]), OK, 'one that contains it');
        assert.ok(await stage.connect(three.address, endpoint));
        assert.deepEqual(
          stage.firewall.apply([
            { ...half, seconds: SHORT },
            { ...pair, seconds: LONG },
          ]),
          OK,
        );
        const listed = stage.firewall.list().openings.map(({ source: { prefix }, id, slot }) => ({ prefix, id, slot }));
        listed.sort((a, b) => a.prefix - b.prefix);
        assert.deepEqual(listed, [
          { prefix: full / 2, id: OTHER_ID, slot: undefined },
          { prefix: full - 1, id: ID, slot: undefined },
        ]);
        await stage.wait(AFTER_SHORT);
        assert.equal(await stage.connect(three.address, endpoint), undefined);
        assert.ok(await stage.connect(two.address, endpoint));
        const all = { ...pair, source: { ...one, prefix: 0 } };
        assert.deepEqual(stage.firewall.apply([all, { kind: 'unset', source: pair.source, endpoint }]), OK);
        assert.ok(await stage.connect(three.address, endpoint), 'prefix 0 is everybody');
        assert.deepEqual(stage.firewall.apply([{ kind: 'unset', source: all.source, endpoint }]), OK);
        assert.equal(await stage.connect(two.address, endpoint), undefined);
      });

      test(`IPv${family}: what it lists is what it holds`, async () => {
        const { stage, endpoint, other, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        const udp = stage.services.udp[1];
        assert.deepEqual(
          stage.firewall.apply([
            { kind: 'set', source: one, endpoint, seconds: seconds(30), id: ID },
            { kind: 'set', source: { ...one, prefix: full - 1 }, endpoint: udp, seconds: LONG, id: ID },
            { kind: 'arm', source: one, endpoint: other, seconds: LONG, id: OTHER_ID, slot: 12 },
          ]),
          OK,
        );
        const { openings, protections } = stage.firewall.list();
        assert.deepEqual(new Set(protections.map((held) => held.endpoint.port)), new Set([endpoint.port, other.port]));
        const rounded = openings.map((opening) => ({
          ...opening,
          remaining: Math.ceil(opening.remaining / 10_000) * 10,
        }));
        rounded.sort((a, b) => a.endpoint.port - b.endpoint.port);
        const expected = [
          { source: one, endpoint, id: ID, slot: undefined, remaining: 30 },
          { source: { ...one, prefix: full - 1 }, endpoint: udp, id: ID, slot: undefined, remaining: 60 },
          { source: one, endpoint: other, id: OTHER_ID, slot: 12, remaining: 60 },
        ];
        expected.sort((a, b) => a.endpoint.port - b.endpoint.port);
        assert.deepEqual(rounded, expected);
      });

      test(`IPv${family}: who believes wrongly that nothing is held gets what is right all the same`, async () => {
        const { stage, endpoint, other, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        const set = { kind: 'set', source: one, endpoint, fresh: true } as const;
        const arm = { kind: 'arm', source: one, endpoint: other, seconds: LONG, fresh: true } as const;
        const remaining = (): number =>
          stage.firewall.list().openings.find(({ slot }) => slot === undefined)?.remaining ?? 0;
        for (const [id, length] of [
          [ID, 30],
          [OTHER_ID, 90],
        ] as const) {
          assert.deepEqual(stage.firewall.apply([{ ...set, id, seconds: seconds(length) }]), OK);
          assert.ok(Math.abs(remaining() - length * 1000) < 10_000);
        }
        assert.deepEqual(stage.firewall.apply([{ ...arm, id: ID, slot: 1 }]), OK);
        assert.deepEqual(stage.firewall.apply([{ ...arm, id: OTHER_ID, slot: 1 }]), { ok: false, reason: 'taken' });
        assert.deepEqual(stage.firewall.apply([{ ...arm, id: OTHER_ID, slot: 2 }]), OK);
        assert.equal(stage.firewall.list().openings.length, 3);
      });

      test(`IPv${family}: a grace is held, too, and what is known to be held is taken away with what is granted`, async () => {
        const { stage, endpoint, sources } = await scene();
        await using _ = stage;
        const [one, two, three] = [source(sources, 0), source(sources, 1), source(sources, 2)];
        const set = { kind: 'set', endpoint, seconds: seconds(30), id: ID, fresh: true } as const;
        const unset = { kind: 'unset', endpoint, held: true } as const;
        const held = (): string[] =>
          stage.firewall
            .list()
            .openings.map((it) => formatAddress(it.source.address))
            .sort();
        const named = (...held: Source[]): string[] => held.map(({ address }) => formatAddress(address)).sort();
        assert.deepEqual(stage.firewall.apply([{ ...set, source: one, grace: 20_000 }]), OK);
        const remaining = stage.firewall.list().openings[0]?.remaining ?? 0;
        assert.ok(remaining > 40_000 && remaining <= 50_000, String(remaining));
        assert.throws(() => stage.firewall.apply([{ ...set, source: two, grace: -1 }]), RangeError);
        assert.throws(() => stage.firewall.apply([{ ...set, source: two, grace: 0.5 }]), RangeError);
        assert.deepEqual(
          stage.firewall.apply([
            { ...set, source: two },
            { ...unset, source: one },
          ]),
          OK,
        );
        assert.deepEqual(held(), named(two));
        // Whoever is wrong gets what is right all the same: nothing is held any more, or something is for whom it is granted.
        assert.deepEqual(
          stage.firewall.apply([
            { ...set, source: three },
            { ...unset, source: one },
          ]),
          OK,
        );
        assert.deepEqual(held(), named(two, three));
        assert.deepEqual(
          stage.firewall.apply([
            { ...set, source: three },
            { ...unset, source: two },
          ]),
          OK,
        );
        assert.deepEqual(held(), named(three));
      });

      test(`IPv${family}: another process adopts what the last one left`, async () => {
        const { stage, endpoint, other, sources } = await scene();
        await using _ = stage;
        const [one, two, three] = sources;
        assert.ok(one && two && three);
        assert.deepEqual(
          stage.firewall.apply([
            { kind: 'set', source: one, endpoint, seconds: LONG, id: ID },
            { kind: 'arm', source: two, endpoint, seconds: LONG, id: OTHER_ID, slot: 3 },
            { kind: 'set', source: { ...one, prefix: full - 1 }, endpoint: other, seconds: LONG, id: ID },
          ]),
          OK,
        );
        const live = await stage.connect(one.address, endpoint);
        const before = stage.firewall.list();
        using next = stage.reopen();
        next.install({ ...PLAN, knockPort: 62202 });
        const after = next.list();
        const facts = ({ openings, protections }: typeof before): unknown =>
          new Set([...openings, ...protections].map((held) => JSON.stringify({ ...held, remaining: undefined })));
        assert.deepEqual(facts(after), facts(before));
        assert.equal(await live?.talks(), true);
        assert.ok(await stage.connect(one.address, endpoint));
        assert.ok(await stage.connect(two.address, endpoint));
        assert.equal(await stage.connect(two.address, endpoint), undefined);
        assert.ok(await stage.connect(two.address, other));
        assert.equal(await stage.connect(three.address, endpoint), undefined);
      });

      test(`IPv${family}: a UDP service is closed, granted, and granted for one flow`, async () => {
        const { stage, sources } = await scene();
        await using _ = stage;
        const [timed, single] = stage.services.udp;
        const one = source(sources, 0);
        assert.deepEqual(stage.firewall.protect([timed, single], undefined), OK);
        assert.equal(await stage.connect(one.address, timed), undefined);
        assert.deepEqual(
          stage.firewall.apply([
            { kind: 'set', source: one, endpoint: timed, seconds: SHORT, id: ID },
            { kind: 'arm', source: one, endpoint: single, seconds: LONG, id: ID, slot: 0 },
          ]),
          OK,
        );
        const live = await stage.connect(one.address, timed);
        const only = await stage.connect(one.address, single);
        assert.equal(await stage.connect(one.address, single), undefined);
        assert.equal(await stage.connect(address(sources, 1), timed), undefined);
        await stage.wait(AFTER_SHORT);
        assert.equal(await stage.connect(one.address, timed), undefined);
        assert.equal(await live?.talks(), true);
        assert.equal(await only?.talks(), true);
      });

      test(`IPv${family}: a forwarded grant leads to a service behind, for its source alone, until it ends`, async () => {
        const { stage, sources } = await scene();
        await using _ = stage;
        const [one, two, three] = sources;
        assert.ok(one && two && three);
        const { targets, tcp, udp } = stage.behind();
        const target = targets[family];
        assert.deepEqual(
          stage.firewall.apply([{ kind: 'set', source: one, endpoint: tcp, seconds: LONG, id: ID, target }]),
          { ok: false, reason: 'gone' },
          'where forwarding was not planned',
        );
        stage.firewall.install({ ...PLAN, forwards: true });
        assert.deepEqual(stage.firewall.protect([tcp, udp], undefined), OK);
        const pair = { ...two, prefix: full - 1 };
        const set = { kind: 'set', id: ID } as const;
        const masked = { ...target, masquerade: true };
        assert.deepEqual(
          stage.firewall.apply([
            { ...set, source: one, endpoint: tcp, seconds: SHORT, target },
            { ...set, source: three, endpoint: udp, seconds: SHORT, target: masked },
            { ...set, source: pair, endpoint: udp, seconds: LONG, target: masked },
          ]),
          OK,
        );
        const listed = stage.firewall.list().openings.map((opening) => [opening.endpoint.protocol, opening.target]);
        listed.sort();
        assert.deepEqual(listed, [
          ['tcp', target],
          ['udp', masked],
          ['udp', masked],
        ]);
        const live = await stage.connect(one.address, tcp);
        const flow = await stage.connect(three.address, udp);
        assert.equal(await live?.talks(), true);
        assert.equal(await flow?.talks(), true);
        assert.equal(await (await stage.connect(two.address, udp))?.talks(), true, 'a prefix leads, too');
        assert.equal(await stage.connect(two.address, tcp), undefined);
        assert.equal(await stage.connect(three.address, tcp), undefined);
        await stage.wait(AFTER_SHORT);
        assert.equal(await stage.connect(one.address, tcp), undefined);
        assert.equal(await stage.connect(three.address, udp), undefined);
        assert.equal(await live?.talks(), true);
        assert.equal(await flow?.talks(), true);
        assert.deepEqual(stage.firewall.apply([{ kind: 'unset', source: pair, endpoint: udp }]), OK);
        assert.equal(await stage.connect(one.address, udp), undefined);
        assert.deepEqual(stage.firewall.list().openings, []);
      });

      test(`IPv${family}: a forwarded grant has a new time or a new target when it is set again, and none when it has none`, async () => {
        const { stage, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        const { targets, tcp, udp } = stage.behind();
        const target = targets[family];
        stage.firewall.install({ ...PLAN, forwards: true });
        assert.deepEqual(stage.firewall.protect([tcp, udp], undefined), OK);
        const wide = { ...one, prefix: full - 8 };
        for (const from of [one, wide]) {
          const set = { kind: 'set', source: from, endpoint: tcp, seconds: LONG, id: ID } as const;
          const elsewhere = { ...target, port: 9 };
          assert.deepEqual(stage.firewall.apply([{ ...set, seconds: SHORT, target: elsewhere }]), OK);
          assert.deepEqual(
            stage.firewall.apply([
              { ...set, target: elsewhere },
              { ...set, target },
            ]),
            OK,
          );
          await stage.wait(AFTER_SHORT);
          assert.ok(await stage.connect(one.address, tcp));
          assert.deepEqual(stage.firewall.apply([set]), OK);
          assert.deepEqual(
            stage.firewall.list().openings.map((opening) => opening.target),
            [undefined],
          );
          await assert.rejects(stage.connect(one.address, tcp));
          assert.deepEqual(
            stage.firewall.apply([
              { ...set, target },
              { kind: 'unset', source: from, endpoint: tcp },
            ]),
            OK,
          );
          assert.equal(await stage.connect(one.address, tcp), undefined);
          assert.deepEqual(stage.firewall.list().openings, []);
        }
      });

      test(`IPv${family}: an armed place leads one connection to a service behind`, async () => {
        const { stage, sources } = await scene();
        await using _ = stage;
        const [one, two, three] = sources;
        assert.ok(one && two && three);
        const { targets, tcp, udp } = stage.behind();
        const target = targets[family];
        stage.firewall.install({ ...PLAN, forwards: true });
        assert.deepEqual(stage.firewall.protect([tcp, udp], undefined), OK);
        const arm = { kind: 'arm', source: one, endpoint: tcp, seconds: LONG, id: ID, slot: 0, target } as const;
        assert.deepEqual(
          stage.firewall.apply([arm, { ...arm, endpoint: udp }, { ...arm, source: three, seconds: SHORT }]),
          OK,
        );
        assert.deepEqual(stage.firewall.apply([{ ...arm, slot: 1, seconds: SHORT }]), OK);
        assert.deepEqual(
          stage.firewall.list().openings.map((opening) => opening.target),
          Array(4).fill(target),
        );
        assert.equal(await stage.connect(two.address, tcp), undefined);
        const live = await stage.connect(one.address, tcp);
        const flow = await stage.connect(one.address, udp);
        assert.ok(live && flow);
        assert.equal(await stage.connect(one.address, udp), undefined);
        assert.deepEqual(stage.firewall.apply([{ ...arm, kind: 'rearm', source: three, seconds: LONG }]), OK);
        await stage.wait(AFTER_SHORT + 1000);
        assert.ok(await stage.connect(three.address, tcp), 'for longer');
        assert.equal(await stage.connect(three.address, tcp), undefined);
        assert.equal(await stage.connect(one.address, tcp), undefined, 'both places are used up or over');
        assert.equal(await live.talks(), true);
        assert.equal(await flow.talks(), true);
        assert.deepEqual(stage.firewall.apply([arm, { kind: 'disarm', source: one, endpoint: tcp, slot: 0 }]), OK);
        assert.equal(await stage.connect(one.address, tcp), undefined);
        assert.deepEqual(stage.firewall.apply([{ ...arm, target: undefined }]), OK, 'of this host itself');
        await assert.rejects(stage.connect(one.address, tcp));
      });

      test(`IPv${family}: where nothing is closed only timed grants lead, and repairing it ends none of them`, async () => {
        const { stage, sources } = await scene();
        await using _ = stage;
        const [one, two] = sources;
        assert.ok(one && two);
        const { targets, tcp } = stage.behind();
        const target = targets[family];
        stage.firewall.install({ ...PLAN, forwards: true });
        const common = { endpoint: tcp, seconds: LONG, id: ID, target } as const;
        assert.deepEqual(
          stage.firewall.apply([
            { ...common, kind: 'set', source: one },
            { ...common, kind: 'arm', source: two, slot: 0 },
          ]),
          OK,
        );
        stage.firewall.install(PLAN);
        assert.ok(await stage.connect(one.address, tcp));
        await assert.rejects(stage.connect(two.address, tcp));
        assert.deepEqual(
          stage.firewall.list().openings.map((opening) => opening.target),
          [target, target],
        );
        assert.deepEqual(
          stage.firewall.apply([
            { kind: 'unset', source: one, endpoint: tcp },
            { kind: 'disarm', source: two, endpoint: tcp, slot: 0 },
          ]),
          OK,
        );
        stage.firewall.install(PLAN);
        await assert.rejects(stage.connect(one.address, tcp));
      });

      test(`IPv${family}: a dark host lets in what is allowed and who has a grant, to any port; the rest is as if nothing were there`, async () => {
        await using stage = await open();
        const { firewall, services } = stage;
        const [allowed, endpoint] = services.tcp;
        const [udp, single] = services.udp;
        const [one, two] = stage.clients[family];
        const source: Source = { family, address: one, prefix: full };
        firewall.install(PLAN);
        const before = await stage.connect(two, endpoint);
        assert.deepEqual(firewall.darken({ ...NOTHING_ALLOWED, endpoints: [allowed] }, undefined), OK);
        assert.deepEqual(firewall.darkness(), { remaining: undefined });
        assert.ok(await stage.connect(two, allowed));
        for (const closed of [endpoint, udp, single]) assert.equal(await stage.connect(one, closed), undefined);
        assert.equal(await before?.talks(), true, 'what was connected stays connected');
        assert.deepEqual(
          firewall.apply([
            { kind: 'set', source, endpoint, seconds: LONG, id: ID },
            { kind: 'set', source: { ...source, prefix: full - 1 }, endpoint: udp, seconds: LONG, id: ID },
            { kind: 'arm', source, endpoint: single, seconds: LONG, id: ID, slot: 0 },
          ]),
          OK,
        );
        assert.ok(await stage.connect(one, endpoint));
        assert.equal(await stage.connect(two, endpoint), undefined);
        assert.ok(await stage.connect(two, udp), 'its address is in the prefix');
        assert.ok(await stage.connect(one, single));
        assert.equal(await stage.connect(one, single), undefined);

        // Another process takes it over as it is; protecting is another matter.
        using next = stage.reopen();
        next.install(PLAN);
        assert.deepEqual(next.darkness(), { remaining: undefined });
        assert.ok(await stage.connect(two, allowed));
        assert.equal(await stage.connect(two, endpoint), undefined);
        assert.deepEqual(firewall.protect([allowed], undefined), OK);
        assert.equal(await stage.connect(two, allowed), undefined);
        assert.deepEqual(firewall.lighten(), OK);
        assert.deepEqual(firewall.lighten(), OK);
        assert.equal(await stage.connect(two, allowed), undefined);
        assert.ok(await stage.connect(two, endpoint));
        assert.ok(await stage.connect(two, udp));
      });

      test(`IPv${family}: darkness with a time ends by itself, and a new time and new exceptions replace the old`, async () => {
        await using stage = await open();
        const { firewall, services } = stage;
        const [first, second] = services.tcp;
        const [one] = stage.clients[family];
        firewall.install(PLAN);
        assert.deepEqual(firewall.darken({ ...NOTHING_ALLOWED, endpoints: [first] }, LONG), OK);
        const { remaining = 0 } = firewall.darkness() ?? {};
        assert.ok(remaining > 50_000 && remaining <= 60_000, `${remaining} ms`);
        assert.deepEqual(firewall.darken({ ...NOTHING_ALLOWED, endpoints: [second] }, SHORT), OK);
        assert.equal(await stage.connect(one, first), undefined);
        assert.ok(await stage.connect(one, second));
        await stage.wait(AFTER_SHORT);
        assert.equal(firewall.darkness(), undefined);
        assert.ok(await stage.connect(one, first));
      });

      test(`IPv${family}: removing it leaves the host as it was`, async () => {
        const { stage, endpoint, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        assert.deepEqual(stage.firewall.apply([{ kind: 'set', source: one, endpoint, seconds: LONG, id: ID }]), OK);
        stage.firewall.remove();
        stage.firewall.remove();
        assert.ok(await stage.connect(address(sources, 1), endpoint));
        assert.deepEqual(stage.firewall.list(), { openings: [], protections: [] });
        stage.firewall.install(PLAN);
        assert.deepEqual(stage.firewall.protect([endpoint], undefined), OK);
        assert.equal(await stage.connect(one.address, endpoint), undefined, 'nothing of it comes back');
      });

      test(`IPv${family}: what is full says so, and still lets itself be emptied and renewed`, async () => {
        const { stage, endpoint, sources } = await scene();
        await using _ = stage;
        const one = source(sources, 0);
        const CAPACITY = 65_535;
        const nth = (n: number): Change => {
          const bytes = Uint8Array.from(one.address);
          new DataView(bytes.buffer).setUint16(14, n);
          return { kind: 'set', source: { ...one, address: bytes }, endpoint, seconds: LONG, id: ID };
        };
        for (let n = 0; n < CAPACITY; n += 1000) {
          const size = Math.min(1000, CAPACITY - n);
          assert.deepEqual(stage.firewall.apply(Array.from({ length: size }, (_unused, i) => nth(n + i))), OK);
        }
        assert.deepEqual(stage.firewall.apply([nth(CAPACITY)]), { ok: false, reason: 'full' });
        assert.deepEqual(stage.firewall.apply([nth(17)]), OK, 'what is there can be set again');
        assert.deepEqual(
          stage.firewall.apply([{ ...nth(CAPACITY), kind: 'unset' }]),
          OK,
          'what is not there can be taken away',
        );
        assert.deepEqual(stage.firewall.apply([{ ...nth(17), kind: 'unset' }, nth(CAPACITY)]), OK);
        const swap = [
          { ...nth(18), kind: 'unset', held: true },
          { ...nth(17), fresh: true },
        ] as const;
        assert.deepEqual(stage.firewall.apply(swap), OK, 'what is taken away first makes room');
      });
    }
  });
}
