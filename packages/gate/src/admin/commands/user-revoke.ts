import type { Command } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT } from '../options.ts';
import { remote } from '../remote.ts';
import { REVOCATION_PARAGRAPH, showRevoked } from './revoked.ts';

/** `posternd user revoke`. */
export const userRevoke: Command = {
  name: 'user revoke',
  summary: 'revoke a user with all devices and invites',
  description: [REVOCATION_PARAGRAPH],
  arguments: [{ name: 'name', help: 'the user' }],
  options: [JSON_OUTPUT, CONFIG],
  examples: [{ line: 'posternd user revoke bob', does: 'shuts out every device of Bob' }],
  run: remote({
    command: 'user.revoke',
    arguments: (parsed) => ({ name: parsed.arguments['name'] ?? '' }),
    show: showRevoked,
  }),
};
