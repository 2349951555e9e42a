import { describeTranscripts } from '../transcripts.ts';
import { Script } from './script.ts';

describeTranscripts(import.meta.dirname, 6, () => new Script());
