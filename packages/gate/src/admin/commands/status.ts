import { formatTable, type Command, type Io } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT } from '../options.ts';
import type { DarkStatus, FwknopStatus, KnockingStatus, ServiceStatus, StatusValue } from '../protocol.ts';
import { remote } from '../remote.ts';
import { count, showTime } from '../wording.ts';

function protection(service: ServiceStatus): string {
  switch (service.protection) {
    case 'protected':
      return 'protected';
    case 'trying':
      return `on trial, ${service.remainingSeconds ?? 0} s left: \`posternd confirm\``;
    case 'open':
      return 'open to everybody';
  }
}

function darkLine({ state, remainingSeconds, allow, trust }: DarkStatus): string {
  const open = [...allow, ...trust.map((name) => `everything by ${name}`)].join(', ') || 'nothing';
  switch (state) {
    case 'dark':
      return `this host is dark; everybody reaches: ${open}`;
    case 'trying':
      return `this host is dark on trial, ${remainingSeconds ?? 0} s left: \`posternd confirm\`; everybody reaches: ${open}`;
    case 'no-way-in':
      return 'this host is NOT dark, although the configuration says so: no device could open anything';
  }
}

function knockingLine({ doors, keyed, opened, seen, refused }: KnockingStatus): string {
  const what = [
    ...(doors.length > 0 ? [`doors ${doors.join(', ')}`] : []),
    ...(keyed > 0 ? [`keyed knocks of ${count(keyed, 'device and service', 'devices and services')}`] : []),
  ];
  const not = Object.entries(refused).map(([reason, times]) => `${reason} ${times}`);
  return `port knocking: ${what.join('; ') || 'no device has a key for it'}; ${count(seen['knocks'] ?? 0, 'knock')} seen, ${opened.doors + opened.keyed} opened${not.length > 0 ? `, not opened: ${not.join(', ')}` : ''}`;
}

function fwknopLine({ stanzas, credentials, hears, opened, seen, refused }: FwknopStatus): string {
  const where = hears.length === 0 ? 'nothing is heard' : `heard on ${hears.join(', ')}`;
  const not = Object.entries(refused).map(([reason, times]) => `${reason} ${times}`);
  const strange = (seen['no-key'] ?? 0) + (seen['form'] ?? 0) + (seen['source'] ?? 0) + (seen['budget'] ?? 0);
  return `fwknop: ${count(stanzas.length, 'stanza')}, ${count(credentials, 'key')}, ${where}; ${count(strange, 'packet')} of strangers, ${opened} opened${not.length > 0 ? `, not opened: ${not.join(', ')}` : ''}`;
}

function show(value: StatusValue, io: Io): void {
  const { sentry, rotation, dark, knocking, fwknop } = value;
  io.out(`${value.name}: posternd ${value.version}, process ${value.pid}, since ${showTime(value.started)}`);
  io.out(`hears knocks on udp/${value.port} (${value.capture}${value.pq === 'required' ? ', post-quantum only' : ''})`);
  const restarts = sentry.restarts === 0 ? '' : `, started again ${count(sentry.restarts, 'time')}`;
  io.out(
    sentry.pid === undefined
      ? `the sentry is being started again as ${sentry.user}${restarts}: nobody is heard`
      : `sentry: process ${sentry.pid} as ${sentry.user}${restarts}`,
  );
  io.out(`${count(value.users, 'user')}, ${count(value.devices, 'device')}, ${count(value.grants, 'grant')}`);
  if (dark !== undefined) io.out(darkLine(dark));
  if (rotation !== undefined) {
    io.out(
      `the gate key changes since ${showTime(rotation.since)}: ${count(rotation.waitingDevices, 'device has', 'devices have')} not used the next one; the old one ends ${showTime(rotation.until)} at the latest${rotation.again ? ', and then it changes again' : ''}`,
    );
  }
  if (value.services.length > 0) {
    const rows = value.services.map((it) => [it.name, it.ports.join(' '), `${it.grants}`, protection(it)]);
    io.out('');
    io.out(formatTable(['SERVICE', 'PORTS', 'GRANTS', 'STATE'], rows));
  }
  const refused = Object.entries(value.refusals).sort(([, a], [, b]) => b - a);
  io.out('');
  io.out(`${count(value.knocks, 'packet')} to the knock port, ${value.granted} granted since the start`);
  if (knocking !== undefined) io.out(knockingLine(knocking));
  if (fwknop !== undefined) io.out(fwknopLine(fwknop));
  if (refused.length > 0) io.out(`refused: ${refused.map(([reason, times]) => `${reason} ${times}`).join(', ')}`);
}

/** `posternd status`. */
export const status: Command = {
  name: 'status',
  summary: 'say what the daemon is doing',
  options: [JSON_OUTPUT, CONFIG],
  examples: [
    { line: 'posternd status', does: 'shows processes, services, counters, and how far a change of keys is' },
    { line: "posternd status --json | jq '.services[].protection'", does: 'picks something out for a script' },
  ],
  run: remote({ command: 'status', arguments: () => ({}), show }),
};
