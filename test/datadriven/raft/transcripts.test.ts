import { describeTranscripts } from '../transcripts.ts';
import { Script } from './script.ts';

describeTranscripts(import.meta.dirname, 11, () => new Script());
