import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PersonError } from '@postern/terminal';
import { loadConfiguration } from './load.ts';
import { makePlace } from './testing.ts';
import type { Door } from './model.ts';

const SERVICE = '[services.ssh]\nports = ["tcp/22"]\nmax_seconds = 60\n';

function doors(toml: string): readonly Door[] {
  using place = makePlace({ 'posternd.toml': SERVICE + toml });
  return loadConfiguration(place.path('posternd.toml')).doors;
}

function refused(toml: string): string {
  try {
    doors(toml);
  } catch (error) {
    assert.ok(error instanceof PersonError, String(error));
    const place = /:(\d+:\d+: .*)/.exec(error.message)?.[1] ?? error.message;
    return `${place} | ${error.hint ?? ''}`;
  }
  return assert.fail(`it was taken: ${toml}`);
}

const FRONT = '[doors.front]\nservice = "ssh"\n';

test('a door with nothing but a sequence and a service has the defaults', () => {
  const [door] = doors(`${FRONT}sequence = ["tcp/7000", "udp/8000", "icmp"]`);
  assert.ok(door !== undefined);
  const step = { flagsSet: 0, flagsClear: 0, minGap: 0, maxGap: 25_000_000 };
  assert.deepEqual(door, {
    name: 'front',
    steps: [
      { protocol: 'tcp', port: 7000, ...step },
      { protocol: 'udp', port: 8000, ...step },
      { protocol: 'icmp', port: 0, ...step },
    ],
    oneTime: undefined,
    timeout: 25_000_000,
    minGap: 0,
    maxGap: 25_000_000,
    misses: 0,
    anyOrder: false,
    target: undefined,
    opens: { service: 'ssh', seconds: 30 },
    commands: undefined,
  });
});

test('steps have flags and gaps of their own, and those of the door where they have none', () => {
  const [door] = doors(
    `${FRONT}timeout = 10\nmin_gap = 0.5\nmax_gap = 2\nsequence = ["tcp/1", { knock = "tcp/2", flags = "fin,!syn", min_gap = 3 }]`,
  );
  assert.deepEqual(door?.steps, [
    { protocol: 'tcp', port: 1, flagsSet: 0, flagsClear: 0, minGap: 500_000, maxGap: 2_000_000 },
    { protocol: 'tcp', port: 2, flagsSet: 1, flagsClear: 2, minGap: 3_000_000, maxGap: 3_000_000 },
  ]);
});

test('one-time sequences look ahead, and commands have their limits', () => {
  const [door] = doors(
    '[doors.old]\none_time = "/etc/postern/old"\nstart = ["/bin/open", "{source}"]\nstop6 = []\nstop = ["/bin/close"]',
  );
  assert.deepEqual(door?.oneTime, { file: '/etc/postern/old', lookAhead: 3 });
  assert.equal(door.steps, undefined);
  assert.deepEqual(door.commands, {
    start: ['/bin/open', '{source}'],
    start6: undefined,
    stop: ['/bin/close'],
    stop6: [],
    stopAfter: 10,
    user: undefined,
    timeLimit: 10,
  });
});

for (const [toml, says] of [
  [FRONT, /^\d+:\d+: doors\.front: `sequence` is missing \| for example/],
  [`${FRONT}sequence = ["tcp/7000"]\none_time = "/x"`, /^7:1: doors\.front\.one_time: .*not both/],
  ['[doors.front]\nsequence = ["tcp/7000"]', /what it opens is missing/],
  [`${FRONT}sequence = ["tcp/7000"]\nstart = ["/x"]`, /opens a service or runs commands, not both/],
  [`${FRONT}sequence = ["tcp/7000"]\nstop = ["/x"]`, /stop: it says nothing without `start`/],
  [`${FRONT}sequence = ["tcp/7000"]\nlook_ahead = 3`, /look_ahead: it says nothing without `one_time`/],
  [`${FRONT}sequence = ["tcp/7000"]\ntimeuot = 3`, /unknown key `doors\.front\.timeuot` \| did you mean `timeout`/],
  [`${FRONT}sequence = [{ knock = "tcp/7000", flag = "syn" }]`, /flag/],
  ['[doors.front]\nservice = "shs"\nsequence = ["tcp/7000"]', /there is no service "shs" \| did you mean "ssh"/],
  [`${FRONT}sequence = ["tcp/0"]`, /^6:13: .*a knock such as/],
  [`${FRONT}sequence = ["tcp/7000", "tcp/22"]`, /^6:25: .*tcp\/22 belongs to the service ssh/],
  [`${FRONT}sequence = ["udp/62201"]`, /single-packet knocks arrive/],
  [`${FRONT}sequence = ["icmp", "icmpv6"]`, /no source can send icmp and icmpv6/],
  [`${FRONT}sequence = [{ knock = "udp/7000", flags = "syn" }]`, /only tcp has flags/],
  [`${FRONT}sequence = [{ knock = "tcp/7000", flags = "syn,!syn" }]`, /flags/],
  [`${FRONT}sequence = []`, /at least one knock/],
  [`${FRONT}seconds = 90\nsequence = ["tcp/7000"]`, /90 is more than max_seconds/],
  [`${FRONT}min_gap = 20\nmax_gap = 30\nsequence = ["tcp/1", "tcp/2", "tcp/3"]`, /nobody can ever finish it/],
  [`${FRONT}min_gap = 3\nmax_gap = 2\nsequence = ["tcp/1"]`, /longer than/],
  [`${FRONT}any_order = true\nsequence = ["tcp/1", "udp/1", "tcp/1"]`, /no knock can stand twice/],
  [`${FRONT}any_order = true\nmin_gap = 1\nsequence = ["tcp/1", "udp/1"]`, /without order there are no gaps/],
  [`${FRONT}any_order = true\nmisses = 300\nsequence = ["tcp/1", "udp/1"]`, /at most 255/],
  [
    `${FRONT}sequence = ["tcp/1", "tcp/2"]\n[doors.back]\nservice = "ssh"\nsequence = ["tcp/1", { knock = "tcp/2", max_gap = 3 }]`,
    /doors\.back\.sequence: the door front has the same/,
  ],
] as const) {
  test(`${toml.replaceAll('\n', ' ')} is refused`, () => {
    assert.match(refused(toml), says);
  });
}
