import { Slab } from '../base/slab.ts';

/** For keys and values of rows. They wait for the next flush in memory, a dozen for each put: in slabs they cost half. */
export const ROWS = new Slab(16_384, 256);
