import { EXIT, type Command } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT } from '../options.ts';
import { runExaminers } from './check.ts';

/** `posternd doctor`. */
export const doctor: Command = {
  name: 'doctor',
  summary: 'say what of this host answers strangers, and what could be harder',
  description: [
    'All of `posternd check`, and beyond it the whole host: sockets that strangers reach although no service hides them, ports that are published for containers, what the kernel answers where nothing listens, and settings of sshd worth changing. What strangers reach is judged by the rules that are loaded now, those of posternd included. It changes nothing and sends nothing.',
    'Exit code: 0 nothing found, 7 advice only (notes), 6 warnings, 1 errors, 5 the configuration cannot be read.',
  ],
  options: [JSON_OUTPUT, CONFIG],
  examples: [
    { line: 'posternd doctor', does: 'shows everything that was found, the worst first' },
    {
      line: 'posternd doctor --json | jq -r \'.findings[] | select(.code == "answers-strangers") | .what\'',
      does: 'lists the ports that strangers reach',
    },
  ],
  run: (parsed, io) => runExaminers(parsed, io, ({ DOCTOR }) => DOCTOR, EXIT.advice),
};
