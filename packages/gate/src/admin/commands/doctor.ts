import { EXIT, type Command, type Io } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT, WITH_FWKNOP } from '../options.ts';
import { runExaminers } from './check.ts';

/** The doors of a knockd.conf alone: who still runs knockd has no configuration of ours. */
async function rateKnockd(file: string, json: boolean, io: Io): Promise<number> {
  const [{ examineKnockd }, { bySeverity }, { exitCodeOf, showFindings }] = await Promise.all([
    import('../doctor/knockd-doors.ts'),
    import('../finding.ts'),
    import('../show-findings.ts'),
  ]);
  const findings = bySeverity(examineKnockd(file));
  if (json) io.out(JSON.stringify({ file, findings }));
  else showFindings(findings, io);
  return exitCodeOf(findings, EXIT.advice);
}

/** `posternd doctor`. */
export const doctor: Command = {
  name: 'doctor',
  summary: 'say what of this host answers strangers, and what could be harder',
  description: [
    'All of `posternd check`, and beyond it the whole host: sockets that strangers reach although no service hides them, ports that are published for containers, what the kernel answers where nothing listens, and settings of sshd worth changing. What strangers reach is judged by the rules that are loaded now, those of posternd included. It changes nothing and sends nothing.',
    'Doors and keyed services are rated in the packets that an attacker needs: by guessing, by an ascending or descending scan, after watching once; and whether spoofed packets cancel a knock. `--knockd` does that for a knockd.conf, and looks at nothing else.',
    'Exit code: 0 nothing found, 7 advice only (notes), 6 warnings, 1 errors, 5 the configuration cannot be read.',
  ],
  options: [
    { name: 'knockd', value: 'FILE', help: 'rate the doors of this knockd.conf, and nothing else' },
    WITH_FWKNOP,
    JSON_OUTPUT,
    CONFIG,
  ],
  examples: [
    { line: 'posternd doctor', does: 'shows everything that was found, the worst first' },
    {
      line: 'posternd doctor --json | jq -r \'.findings[] | select(.code == "answers-strangers") | .what\'',
      does: 'lists the ports that strangers reach',
    },
    { line: 'posternd doctor --knockd /etc/knockd.conf', does: 'says what the doors of knockd are worth' },
  ],
  run: (parsed, io) => {
    const { knockd } = parsed.values;
    if (knockd !== undefined) return rateKnockd(knockd, parsed.flags.has('json'), io);
    return runExaminers(parsed, io, ({ DOCTOR }) => DOCTOR, EXIT.advice);
  },
};
