/** Who looks at what. A new kind of finding is a function of a {@link Subject} in one of these lists, and a line in `finding-table.ts`. */
import { boot } from './boot.ts';
import { configurationFindings, hostFindings, notRunning } from './basics.ts';
import { doorPorts, knockSockets } from './door-ports.ts';
import { doors, keyedServices } from './doors.ts';
import type { Examiner } from './examiner.ts';
import { fwknopCommands, fwknopHearing, fwknopKeyrings, fwknopPackets, fwknopPorts } from './fwknop.ts';
import { forwarding, grantedTraffic, knockTraffic, unreadRules } from './granted-traffic.ts';
import { capabilities, clock, versions } from './host.ts';
import { sshdSettings } from './sshd-settings.ts';
import { closedPorts, echoes, listeningSockets, publishedPorts } from './strangers.ts';

/** `posternd check`: will this configuration work on this host? */
export const CHECK: readonly Examiner[] = [
  ...[notRunning, hostFindings, capabilities, configurationFindings],
  ...[grantedTraffic, knockTraffic, forwarding, unreadRules],
  ...[doorPorts, knockSockets],
  ...[fwknopPackets, fwknopCommands, fwknopKeyrings, fwknopHearing, fwknopPorts],
  ...[clock, boot, versions],
];

/** `posternd doctor`: all of that, what answers strangers, and what could be harder. */
export const DOCTOR: readonly Examiner[] = [
  ...CHECK,
  ...[listeningSockets, publishedPorts, closedPorts, echoes],
  ...[doors, keyedServices, sshdSettings],
];
