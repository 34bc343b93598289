/**
 * How bad a finding is: `note` is worth knowing, `warning` works but is weaker or more fragile than it could be, `error` does not work
 * or is not safe.
 */
export type Severity = 'note' | 'warning' | 'error';
