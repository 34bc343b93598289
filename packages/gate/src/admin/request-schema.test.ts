import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXIT, PersonError } from '@postern/terminal';
import fc from 'fast-check';
import type { AdminRequest } from './protocol.ts';
import { parseRequest } from './request-schema.ts';

const requests: readonly AdminRequest[] = [
  { command: 'status', arguments: {} },
  { command: 'user.add', arguments: { name: 'ada', services: ['ssh'], expiresHours: 24 } },
  { command: 'user.add', arguments: { name: 'ada' } },
  { command: 'invite', arguments: { name: 'ada' } },
  { command: 'user.list', arguments: {} },
  { command: 'user.revoke', arguments: { name: 'ada' } },
  { command: 'device.list', arguments: { user: 'ada', after: 'x' } },
  { command: 'device.revoke', arguments: { id: 'abcdef' } },
  { command: 'grant.list', arguments: {} },
  { command: 'grant.end', arguments: { id: '0123456789abcdef' } },
  { command: 'check', arguments: {} },
  { command: 'protect', arguments: { service: 'ssh', seconds: 120, force: false } },
  {
    command: 'confirm',
    arguments: {
      evidence: {
        terminal: 'pts',
        complete: true,
        ancestors: [
          {
            pid: 7,
            name: 'sshd',
            connections: [{ localAddress: '10.0.0.1', localPort: 22, remoteAddress: '10.0.0.2', remotePort: 4711 }],
          },
        ],
      },
    },
  },
  { command: 'unprotect', arguments: { service: 'ssh' } },
  { command: 'reload', arguments: {} },
];

test('every request survives the way over the socket', () => {
  for (const request of requests) assert.deepEqual(parseRequest(JSON.stringify(request)), request);
});

test('what is not a request is refused with one clear line', () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ['', /not JSON/],
    ['{', /not JSON/],
    ['[]', /not \{ "command"/],
    ['{"command":1}', /not \{ "command"/],
    ['{"command":"status","more":1}', /not \{ "command"/],
    ['{"command":"statsu"}', /no command "statsu"/],
    ['{"command":"constructor"}', /no command/],
    ['{"command":"status","arguments":{"x":1}}', /status: x: /],
    ['{"command":"user.add","arguments":{}}', /user\.add: name: /],
    ['{"command":"protect","arguments":{"service":"ssh","seconds":0,"force":false}}', /protect: seconds: /],
    ['{"command":"device.revoke","arguments":{"id":"../.."}}', /device\.revoke: id: /],
    ['{"command":"invite","arguments":{"name":"ada","expiresHours":1e9}}', /invite: expiresHours: /],
  ];
  for (const [line, expected] of table) {
    assert.throws(
      () => parseRequest(line),
      (error: unknown) => error instanceof PersonError && error.exitCode === EXIT.usage && expected.test(error.message),
      line,
    );
  }
});

test('arbitrary text and arbitrary JSON are a request or a PersonError, never anything else', () => {
  const attempt = (line: string): void => {
    try {
      parseRequest(line);
    } catch (error) {
      assert.ok(error instanceof PersonError, String(error));
      assert.ok(!error.message.includes('\n'));
    }
  };
  fc.assert(fc.property(fc.string(), attempt));
  fc.assert(fc.property(fc.json(), attempt));
  fc.assert(
    fc.property(fc.constantFrom(...requests.map((r) => r.command)), fc.jsonValue(), (command, args) => {
      attempt(JSON.stringify({ command, arguments: args }));
    }),
  );
});
