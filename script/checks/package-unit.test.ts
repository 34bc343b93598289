/** The unit of the package: systemd reads it without complaint, finds little to say against it, and it starts when it should. */
import { temporaryDirectory } from '@postern/testkit/temporary';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { ROOT } from './copy.ts';
import { section, values } from '@postern/testkit/systemd-unit';

const analyze = (...args: string[]): { code: number | null; out: string } => {
  const ran = spawnSync('systemd-analyze', args, { encoding: 'utf8', env: { ...process.env, SYSTEMD_COLORS: '0' } });
  return { code: ran.status, out: `${ran.stdout}${ran.stderr}` };
};
const there = spawnSync('systemd-analyze', ['--version']).error === undefined;
const skip = there || process.env['CI'] === 'true' ? false : 'NEEDS systemd-analyze';

const UNIT = readFileSync(join(ROOT, 'packaging/posternd.service'), 'utf8');
/** As installed, but for Node, which must exist for systemd to be content. */
const file = join(temporaryDirectory('postern-unit-'), 'posternd.service');
writeFileSync(file, UNIT.replaceAll('@LIB@/node', process.execPath).replaceAll('@LIB@', '/usr/lib/postern'));

test('systemd finds no fault in the unit', { skip }, () => {
  assert.deepEqual(analyze('verify', '--man=no', file), { code: 0, out: '' });
});

test('nor in the drop-in of the tutorial that brings fwknop’s configuration', { skip }, () => {
  const page = readFileSync(join(ROOT, 'docs/tutorials/coming-from-fwknop.md'), 'utf8');
  const dropIn = /^cat >\S*\/posternd\.service\.d\/fwknop\.conf <<'END'\n(.*?)^END$/ms.exec(page)?.[1] ?? '';
  const directory = temporaryDirectory('postern-unit-');
  const changed = join(directory, 'posternd.service');
  writeFileSync(changed, readFileSync(file));
  mkdirSync(`${changed}.d`);
  writeFileSync(`${changed}.d/fwknop.conf`, dropIn.replaceAll('/usr/sbin/posternd', process.execPath));
  assert.deepEqual(analyze('verify', '--man=no', changed), { code: 0, out: '' });
  assert.deepEqual(values(section(dropIn, 'Service'), 'ExecStart'), [
    '',
    '/usr/sbin/posternd run --fwknop /etc/fwknop',
  ]);
});

test('its exposure is at most 2.8, and the page says what it is', { skip }, () => {
  const { out } = analyze('security', '--offline=true', '--no-pager', file);
  const exposure = /^→ Overall exposure level for posternd\.service: (\d+\.\d) OK/m.exec(out)?.[1];
  assert.ok(exposure !== undefined && Number(exposure) <= 2.8, out);
  assert.ok(readFileSync(join(ROOT, 'docs/package.md'), 'utf8').includes(`exposure ${exposure}, "OK"`), exposure);
});

test('it waits for a configuration, for the host’s own rules, and the network waits for it', () => {
  const unit = section(UNIT, 'Unit');
  const all = (name: string): string[] => values(unit, name).flatMap((value) => value.split(' '));
  assert.deepEqual(all('ConditionPathExists'), ['/etc/postern/posternd.toml']);
  assert.ok(all('After').includes('nftables.service'));
  assert.ok(all('Before').includes('network-pre.target') && all('Wants').includes('network-pre.target'));
  assert.deepEqual(all('StartLimitIntervalSec'), ['0']);
  assert.deepEqual(values(section(UNIT, 'Service'), 'Restart'), ['always']);
});

test('it gives Node the options that the daemon would give itself', () => {
  const source = readFileSync(join(ROOT, 'packages/gate/src/monitor/privileges.ts'), 'utf8');
  const flags = /^const NODE_FLAGS = \[([^\]]*)\]/m.exec(source)?.[1]?.match(/--[\w=-]+/g) ?? [];
  assert.ok(flags.length > 0);
  const [, ...given] = values(section(UNIT, 'Service'), 'ExecStart')[0]?.split(' ') ?? [];
  assert.deepEqual(given.slice(0, flags.length), flags);
});
