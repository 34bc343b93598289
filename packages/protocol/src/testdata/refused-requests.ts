/** For tests and vectors only: packets that are right in themselves and refused for what the gate knows, in the order of the reasons. */
import { concatBytes } from '@noble/hashes/utils.js';
import type { Refusal } from '../refusal.ts';
import type { ContextJson, DeviceJson, InvalidVector, Refused, StatementJson } from './vector-files.ts';
import { epochAt, NOW, type SealOptions, SECOND, signedPart, type World } from './world.ts';

interface Case {
  reason: Refusal;
  name: string;
  suite?: 1 | 2;
  changes?: Partial<StatementJson>;
  context?: Partial<ContextJson>;
  options?: Partial<SealOptions>;
  told?: InvalidVector['told'];
}

const OBSERVED = { type: 'observed' } as const;
const DAY = 86_400 * SECOND;

export function makeRefusedRequests(world: World): Refused[] {
  return [...unknown(world), ...invites(world), ...sources(), ...stale(), ...signatures(world), ...told(world)].map(
    ({ reason, name, suite = 1, changes = {}, context = {}, options = {}, told: status = null }) => {
      const statement = world.statement(suite, changes);
      const { packet } = world.seal({
        suite,
        signedPart: signedPart(statement),
        epoch: epochAt(statement.time),
        ...options,
      });
      return { reason, name, packet, context, told: status };
    },
  );
}

function deviceOf(world: World, changes: Partial<DeviceJson>): Partial<ContextJson> {
  const { id } = world.json.device;
  const device = { id, expires: null, revoked: null, services: ['ssh', 'web', 'once', 'gone'], from: null };
  return { device: { ...device, maxSeconds: null, userExpires: null, userRevoked: null, ...changes } };
}

function unknown(world: World): Case[] {
  const { newDevice } = world.json;
  return [
    { reason: 'device-unknown', name: 'the gate knows no device', context: { device: null } },
    {
      reason: 'device-unknown',
      name: 'a device that only knows the gate key',
      suite: 2,
      changes: { device: newDevice.id },
      options: { signerSeed: newDevice.seed },
    },
    { reason: 'device-revoked', name: 'the device is revoked', context: deviceOf(world, { revoked: NOW - DAY }) },
    {
      reason: 'device-revoked',
      name: 'the user is revoked, now',
      suite: 2,
      context: deviceOf(world, { userRevoked: NOW }),
    },
    { reason: 'device-expired', name: 'the device expired', context: deviceOf(world, { expires: NOW - 1 }) },
    {
      reason: 'device-expired',
      name: 'the user expires, now',
      suite: 2,
      context: deviceOf(world, { userExpires: NOW }),
    },
  ];
}

function invites(world: World): Case[] {
  const { invite, newDevice, device } = world.json;
  const enrol: Partial<StatementJson> = {
    ...{ kind: 'enrol', source: OBSERVED, service: null, era: 0, device: invite.id, newDevice: newDevice.publicKey },
  };
  const options = { signerSeed: invite.seed };
  const used = { id: invite.id, expires: NOW + DAY, usedBy: device.publicKey };
  return [
    { reason: 'invite-unknown', name: 'the gate has no invite', changes: enrol, options, context: { invite: null } },
    {
      reason: 'invite-unknown',
      name: 'an invite that the gate did not make',
      suite: 2,
      changes: { ...enrol, device: newDevice.id },
      options: { signerSeed: newDevice.seed },
    },
    {
      reason: 'invite-expired',
      name: 'the invite expired a second ago',
      changes: enrol,
      options,
      context: { invite: { id: invite.id, expires: NOW - SECOND, usedBy: null } },
    },
    {
      reason: 'invite-expired',
      name: 'the invite expires now',
      suite: 2,
      changes: enrol,
      options,
      context: { invite: { id: invite.id, expires: NOW, usedBy: null } },
    },
    {
      reason: 'invite-used',
      name: 'another device used the invite',
      changes: enrol,
      options,
      context: { invite: used },
    },
    {
      reason: 'invite-used',
      name: 'another device used the invite, which has expired since',
      suite: 2,
      changes: enrol,
      options,
      context: { invite: { ...used, expires: NOW - DAY } },
    },
  ];
}

function sources(): Case[] {
  return [
    { reason: 'source', name: 'from another IPv4 address', context: { from: '192.0.2.8' } },
    { reason: 'source', name: 'from an IPv6 address, stated IPv4', context: { from: '2001:db8::7' } },
    {
      reason: 'source',
      name: 'from outside of the stated IPv6 prefix',
      suite: 2,
      changes: { source: { type: 6, prefix: 57, address: '2001:db8:0:80::' } },
      context: { from: '2001:db8:0:100::1' },
    },
    {
      reason: 'source-leave',
      name: 'open of a service that wants to be told the source',
      changes: { source: OBSERVED },
    },
    {
      reason: 'source-leave',
      name: 'extend of a service that wants to be told the source',
      suite: 2,
      changes: { kind: 'extend', source: OBSERVED },
    },
    {
      reason: 'source-leave',
      name: 'open of a service that there is not, without a source',
      changes: { source: OBSERVED, service: 'gone' },
    },
  ];
}

function stale(): Case[] {
  const row = { era: 3, top: NOW, floor: 0, recent: [NOW] };
  const before = Array.from({ length: 63 }, (_, i) => NOW - 5 * SECOND + i);
  const full = { era: 3, top: NOW, floor: 0, recent: [...before, NOW] };
  return [
    { reason: 'era', name: 'an era that is past', context: { row: { ...row, era: 4 } } },
    { reason: 'era', name: 'an era 1,025 ahead', suite: 2, changes: { era: 1028 }, context: { row } },
    { reason: 'stale', name: 'a time that was seen', context: { row } },
    {
      reason: 'stale',
      name: 'ten seconds older than the newest',
      changes: { time: NOW - 10 * SECOND },
      context: { row },
    },
    {
      reason: 'stale',
      name: 'as old as the last close',
      suite: 2,
      changes: { time: NOW - SECOND },
      context: { row: { ...row, floor: NOW - SECOND } },
    },
    {
      reason: 'stale',
      name: 'older than all of 64 times',
      changes: { time: NOW - 6 * SECOND },
      context: { row: full },
    },
    {
      reason: 'stale',
      name: 'close, older than the newest request',
      changes: { kind: 'close', source: OBSERVED, time: NOW - 1 },
      context: { row },
    },
  ];
}

function signatures(world: World): Case[] {
  const { newDevice } = world.json;
  const other = (at: number) => (message: Uint8Array) => message.map((byte, i) => (i === at ? byte ^ 1 : byte));
  return [
    { reason: 'signature', name: 'signed by another device', options: { signerSeed: newDevice.seed } },
    { reason: 'signature', name: 'one bit of the signature is another', suite: 2, options: { plaintext: other(182) } },
    {
      reason: 'signature',
      name: 'one bit of the statement was changed after signing',
      options: { plaintext: other(25) },
    },
    { reason: 'signature', name: 'signed for the other suite', suite: 2, options: { message: other(15) } },
    { reason: 'signature', name: 'signed for another static key', options: { message: other(16) } },
    { reason: 'signature', name: 'signed for another encapsulated key', suite: 2, options: { message: other(48) } },
    { reason: 'signature', name: 'signed for another nonce', options: { message: other(80) } },
    {
      reason: 'signature',
      name: 'signed under another label',
      options: { message: (message) => concatBytes(Uint8Array.of(0x50), message.subarray(1)) },
    },
    {
      reason: 'signature',
      name: 'an enrolment signed by the new device itself',
      changes: {
        kind: 'enrol',
        source: OBSERVED,
        service: null,
        device: world.json.invite.id,
        newDevice: newDevice.publicKey,
      },
      options: { signerSeed: newDevice.seed },
    },
  ];
}

function told(world: World): Case[] {
  const web: Partial<StatementJson> = { source: OBSERVED, service: 'web' };
  const denied = { reason: 'not-permitted', told: 'not-permitted' } as const;
  return [
    { reason: 'clock', told: 'clock', name: 'a clock 121 seconds fast', changes: { time: NOW + 121 * SECOND } },
    {
      reason: 'clock',
      told: 'clock',
      name: 'a clock 121 seconds slow',
      suite: 2,
      changes: { time: NOW - 121 * SECOND },
    },
    {
      reason: 'clock',
      told: 'clock',
      name: 'a clock 31 seconds slow, source to be observed',
      changes: { ...web, time: NOW - 31 * SECOND },
    },
    {
      reason: 'clock',
      told: 'clock',
      name: 'a clock 4,000 seconds fast and another state',
      changes: { time: NOW + 4000 * SECOND, stateId: '00'.repeat(8) },
    },
    { reason: 'resync', told: 'resync', name: 'another state of the gate', changes: { stateId: '00'.repeat(8) } },
    {
      reason: 'resync',
      told: 'resync',
      name: 'the gate lost its state, and with it that this was heard before',
      suite: 2,
      context: { stateId: '0123456789abcdef' },
    },
    { ...denied, name: 'a service that the user may not open', changes: { service: 'other' } },
    { ...denied, name: 'a service that there is not', suite: 2, changes: { service: 'gone' } },
    {
      ...denied,
      name: 'a prefix that is too short for the service',
      changes: { source: { type: 4, prefix: 23, address: '192.0.2.0' } },
    },
    {
      ...denied,
      name: 'one connection only for a whole prefix',
      suite: 2,
      changes: { singleUse: true, source: { type: 4, prefix: 31, address: '192.0.2.6' } },
    },
    {
      ...denied,
      name: 'a whole prefix for a service that admits one connection only',
      changes: { service: 'once', source: { type: 4, prefix: 24, address: '192.0.2.0' } },
    },
    {
      ...denied,
      name: 'from where the user may not come',
      context: deviceOf(world, { from: ['198.51.100.0/24', '2001:db8::/32'] }),
    },
    {
      reason: 'nothing-to-extend',
      told: 'not-permitted',
      name: 'extend without a grant',
      changes: { kind: 'extend' },
      context: { grants: [] },
    },
    {
      reason: 'nothing-to-extend',
      told: 'not-permitted',
      name: 'extend without a grant for that service',
      suite: 2,
      changes: { kind: 'extend', service: 'once' },
    },
  ];
}
