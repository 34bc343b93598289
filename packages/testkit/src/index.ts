export { Namespace, namespacesAvailable } from './namespace.ts';
