/** Makes certificates; large, so only who needs it imports it, and when it does. The first is what the second is built on. */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

export { x509 };
