/** A daemon that knows its answers by heart, behind the real admin server: for the scripts that show what commands print. */
import type { UnixMicros } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { checkDaemon } from '../check-daemon.ts';
import { explainRefusal, mayConfirm } from '../confirm-rule.ts';
import { PAGE, type AdminHandlers, type InviteValue, type UserEntry } from '../protocol.ts';

const NOON = '2026-11-22T12:00:00.000Z';
const LATER = '2026-11-23T12:00:00.000Z';
const DEVICE = '3f2a9c00112233445566778899aabbcc';
const GRANT = '9b2e41aabbccddee';

function inviteFor(user: string, services: readonly string[]): InviteValue {
  return { user, invite: 'postern-invite-1-AAAA', expires: LATER, services, addresses: ['203.0.113.5'] };
}

function users(): UserEntry[] {
  const file = (name: string): string => `/etc/postern/users.d/${name}.toml`;
  const many = Array.from({ length: 2_500 }, (_, i) => `user${String(i).padStart(4, '0')}`);
  return [
    { name: 'ada', file: file('ada'), services: ['ssh', 'web'], devices: 2, invites: 1 },
    { name: 'bob', file: file('bob'), services: [], devices: 0, invites: 0, expires: LATER, revoked: NOON },
    ...many.map((name) => ({ name, file: file(name), services: ['ssh'], devices: 1, invites: 0 })),
  ];
}

/** Handlers that answer for the configuration in `configFile`; `odd` daemons misbehave on purpose. */
export function cannedHandlers(configFile: string): AdminHandlers {
  return {
    status: () => ({
      version: '0.1.0',
      name: 'myhost',
      pid: 4711,
      started: NOON,
      configFile,
      port: 62201,
      capture: 'packet',
      pq: 'off',
      stateId: '0011223344556677',
      sentry: { user: 'postern', pid: 4712, restarts: 1 },
      services: [
        { name: 'ssh', ports: ['tcp/22'], protection: 'trying', remainingSeconds: 77, grants: 1 },
        { name: 'web', ports: ['tcp/80', 'tcp/443'], protection: 'open', grants: 0 },
      ],
      users: 2,
      devices: 3,
      grants: 1,
      rotation: { since: NOON, until: '2026-12-22T12:00:00.000Z', waitingDevices: 1, again: false },
      knocks: 105,
      granted: 2,
      refusals: { mac: 3, tag: 100 },
    }),
    'user.add': ({ name, services }) => {
      if (name === 'ada') {
        throw new PersonError('there is a user "ada" already', { hint: '`posternd invite ada` adds a device' });
      }
      return inviteFor(name, services ?? ['ssh', 'web']);
    },
    invite: ({ name, expiresHours }) => {
      if (name === 'crash') throw new TypeError('boom');
      return { ...inviteFor(name, []), expires: expiresHours === 2 ? NOON : LATER };
    },
    'user.list': ({ after }) => {
      const left = users().filter((user) => after === undefined || user.name > after);
      const page = left.slice(0, PAGE);
      return { users: page, next: left.length > PAGE ? page.at(-1)?.name : undefined };
    },
    'user.revoke': ({ name }) => ({ user: name, devices: [DEVICE], grants: [], invites: 2, rotation: 'started' }),
    'device.list': ({ user }) => ({
      devices: [
        { id: DEVICE, user: 'ada', name: 'laptop', enrolled: NOON, lastHeard: NOON },
        { id: 'ffee0000112233445566778899aabbcc', user: 'bob', name: 'phone', revoked: LATER },
      ].filter((device) => user === undefined || device.user === user),
    }),
    'device.revoke': ({ id }) => ({ user: 'ada', devices: [id], grants: [GRANT], invites: 0, rotation: 'queued' }),
    'grant.list': () => ({
      grants: [
        {
          id: GRANT,
          user: 'ada',
          device: 'laptop',
          service: 'ssh',
          source: '198.51.100.7',
          ports: ['tcp/22'],
          singleUse: true,
          ends: LATER,
          remainingSeconds: 28,
        },
        {
          id: '00112233445566aa',
          source: '2001:db8::/64',
          ports: ['tcp/80'],
          target: '[fd00::7]:8080',
          singleUse: false,
          ends: LATER,
          remainingSeconds: 5,
        },
      ],
    }),
    'grant.end': ({ id }) => ({ id }),
    check: () => ({ findings: checkDaemon({ file: configFile, now: 0 as UnixMicros, invites: [] }) }),
    protect: ({ service, seconds, force }, progress) => {
      if (seconds < 120 && !force) {
        throw new PersonError(`${seconds} seconds are too short to open a new connection and confirm`, {
          hint: 'take at least 120, or add --force',
        });
      }
      progress('admitting live connections');
      return { service, ports: ['tcp/22'], until: NOON, admitted: 1 };
    },
    confirm: ({ service, evidence }) => {
      const decision = mayConfirm({
        evidence: { ...evidence, terminal: 'pts' },
        ports: [22],
        before: [],
        now: [],
        hostAddresses: new Set(),
        grantedSince: false,
      });
      if (service === 'web') return { services: ['web'] };
      if (decision.allow) return { services: ['ssh'] };
      const { message, hint } = explainRefusal(decision.reason, 'ssh');
      throw new PersonError(message, { hint, exitCode: EXIT.failed });
    },
    unprotect: ({ service }) => ({ service }),
    dark: ({ allow, trust }) => ({
      until: NOON,
      allow,
      trust,
      services: [{ name: 'ssh', ports: ['tcp/22'] }],
      admitted: 2,
      behind: trust.includes('docker0') ? [] : ['docker0'],
    }),
    undo: ({ all }) => ({ dark: all ? 'confirmed' : 'trial', services: all ? ['ssh'] : [], running: true, byHand: [] }),
    reload: () => ({ services: 2, users: 1, devices: 0, needsRestart: ['gate.port'] }),
  };
}
