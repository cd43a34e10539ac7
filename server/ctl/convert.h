/* `epcisctl convert FILE`: reads a document without a server and prints its events. Main thread. */
#ifndef EPCISD_CTL_CONVERT_H
#define EPCISD_CTL_CONVERT_H

/* argv[0] is "epcisctl convert", argv[1] the file, "-" for standard input. One JSON object a line for each
 * event on standard output. Returns the exit status: 0; 1 where the document is malformed or cannot be read,
 * having printed the events before that and the reason on standard error; 2 for wrong usage. */
int ctl_convert(int argc, char **argv);

#endif
