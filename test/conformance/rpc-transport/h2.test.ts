import { H2Transport } from '../../../src/rpc/h2/h2-transport.ts';
import { transportSuite } from './transport-suite.ts';
import { wireSuite } from './wire-suite.ts';

transportSuite('h2', (options) => new H2Transport(options));
wireSuite('h2', (options) => new H2Transport(options));
