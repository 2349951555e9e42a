/** The words of a command line as QUORATE_COMMAND has it: with spaces between them, or a JSON array, whose words may hold spaces. */
export function commandWords(command = ''): string[] {
  if (command.startsWith('[')) return JSON.parse(command) as string[];
  return command.split(' ').filter((word) => word !== '');
}
