import { GrpcJsTransport } from '../../../src/rpc/grpc-js/grpc-js-transport.ts';
import { transportSuite } from './transport-suite.ts';
import { wireSuite } from './wire-suite.ts';

transportSuite('grpc-js', (options) => new GrpcJsTransport(options));
wireSuite('grpc-js', (options) => new GrpcJsTransport(options));
