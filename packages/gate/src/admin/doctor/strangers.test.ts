import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { namespacesAvailable } from '@postern/testkit';
import { Household } from '@postern/testkit/household';
import { inNamespace } from '@postern/testkit/in-namespace';
import { Sshd, sshdProgram } from '@postern/testkit/sshd';
import { removeTemporary, temporaryDirectory } from '@postern/testkit/temporary';
import type { Finding } from '../finding.ts';
import { sshdSettings } from './sshd-settings.ts';
import { parseSshd } from './sshd.ts';
import { subject } from './subject.fixture.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';

test(
  'doctor tells what of a real host answers strangers, and nothing of it any more when the host is dark',
  { skip, timeout: 180_000 },
  async () => {
    await using house = await Household.build({ services: '[services.ssh]\nports = ["tcp/22"]\nprotect = true\n' });
    await using sshd = await Sshd.start(house.gateSide);
    assert.ok(sshd.pid > 0);
    house.join();
    const [servers, udp] = await inNamespace(house.gateSide, async () => {
      const places = [
        [5432, '0.0.0.0'],
        [8080, '::'],
        [6379, '127.0.0.1'],
      ] as const;
      const made = places.map(([port, host]) => createServer().listen(port, host));
      await Promise.all(made.map((server) => once(server, 'listening')));
      const socket = createSocket('udp4').bind(161);
      await once(socket, 'listening');
      return [made, socket] as const;
    });
    try {
      const doctor = (): { code: number; found: Map<string, Finding[]> } => {
        const { code, out } = house.gate.command('doctor', '--json');
        const { findings, running } = JSON.parse(out) as { findings: Finding[]; running: boolean };
        assert.equal(running, true);
        return { code, found: Map.groupBy(findings, (finding) => finding.code) };
      };
      const open = doctor().found;
      assert.deepEqual(
        open.get('answers-strangers')?.map(({ what }) => what),
        ['tcp/5432 (node) answers strangers', 'tcp/8080 (node) answers strangers'],
      );
      assert.deepEqual(
        open.get('hears-strangers')?.map(({ what }) => what),
        ['udp/161 (node) hears strangers'],
      );
      assert.equal(open.get('closed-ports-answer')?.length, 2);
      assert.equal(open.get('echo-answers')?.length, 1);
      assert.deepEqual([open.get('protected-but-open'), open.get('rules-stop-granted')], [undefined, undefined]);

      house.gate.json('dark', '--allow', 'tcp/8080', '--try', '120');
      const dark = doctor().found;
      assert.deepEqual(
        dark.get('answers-strangers')?.map(({ what }) => what),
        ['tcp/8080 (node) answers strangers'],
      );
      for (const code of ['hears-strangers', 'closed-ports-answer', 'echo-answers', 'rules-unclear'])
        assert.equal(dark.get(code), undefined, code);

      house.gateSide.run('nft', ['delete', 'table', 'inet', 'postern']);
      await house.gate.stop('SIGKILL');
      house.gateSide.run('sh', ['-c', 'nft delete table inet postern 2>/dev/null || true']);
      const { code, out } = house.gate.command('doctor');
      assert.equal(code, 1);
      assert.match(
        out,
        /^error: ssh is protected in the configuration, and tcp\/22 \(sshd\) answers strangers all the same$/m,
      );
      assert.match(out, /^error: posternd is not running/m);
    } finally {
      for (const server of servers) server.close();
      udp.close();
    }
  },
);

test('what a real sshd says of its settings is understood', { skip }, () => {
  const directory = temporaryDirectory('postern-sshd-settings-');
  const at = (name: string): string => join(directory, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at('key')]);
  writeFileSync(
    at('config'),
    `HostKey ${at('key')}\nUsePAM no\nPermitRootLogin yes\nKbdInteractiveAuthentication no\n`,
  );
  // sshd wants a user and a directory of its own, which exist in this mount namespace only.
  writeFileSync(at('passwd'), 'root:x:0:0::/root:/bin/sh\nsshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n');
  const mounts = `mount --bind ${at('passwd')} /etc/passwd && mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd`;
  const shell = `${mounts} && exec ${sshdProgram()} -T -f ${at('config')}`;
  const said = execFileSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', shell], {
    encoding: 'utf8',
  });
  removeTemporary(directory);
  const found = sshdSettings(subject({ facts: { sshd: parseSshd(said) } }));
  assert.deepEqual(
    found.map(({ what }) => what),
    ['sshd has PasswordAuthentication yes', 'sshd has PermitRootLogin yes'],
  );
});
