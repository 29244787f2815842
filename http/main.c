/* SPDX-License-Identifier: MIT */
/* scrubjay(8): the command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/compress_command.h"
#include "http/plan.h"
#include "http/remote.h"
#include "http/server.h"

static const char usage[] =
    "Usage: scrubjay serve [OPTION]... [ROOT]   serve the directory ROOT (default: .)\n"
    "       scrubjay plan [OPTION]... [ROOT]    what a reload of the running server would change\n"
    "       scrubjay compress [OPTION]... DIR   write .gz, .br and .zst beside DIR's files\n"
    "       scrubjay reload | status | rollback | stop [OPTION]...   of a running server\n"
    "       scrubjay --help | --version\n";

static int misuse(const char *text)
{
    fprintf(stderr, "scrubjay: %s\n", text);
    return SJ_EXIT_USAGE;
}

static int print_help(void)
{
    fputs(usage, stdout);
    fputs("\nOptions of serve, and of a plan that asks no server:\n", stdout);
    sj_options_help(sj_config_table, stdout);
    fputs("\nOptions of plan:\n", stdout);
    sj_plan_help(stdout);
    fputs("\nOptions of compress:\n", stdout);
    sj_compress_command_help(stdout);
    fputs("\nCommands to a running server:\n", stdout);
    sj_remote_help(stdout);
    fputs("\nSignals: TERM drains and stops, INT and QUIT stop at once, HUP reloads the index,\n"
          "USR1 reopens the logs.  See scrubjay(8).\n",
          stdout);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int serve(int argc, char **argv)
{
    struct sj_config config = {0};
    const char **roots = NULL;
    char error[512];
    int first, status = EXIT_FAILURE;
    size_t n_roots;

    if (sj_options_parse(sj_config_table, argc, argv, &config, &first, error, sizeof(error)) != 0)
        status = misuse(error);
    else if (config.help)
        status = print_help();
    else if (argc - first > 1)
        status = misuse("more than one ROOT: serve several with --root [PREFIX=]DIR");
    else if ((roots = sj_config_roots(&config, argc > first ? argv[first] : NULL, &n_roots)) !=
             NULL)
        status = sj_server_run(&config, roots, n_roots);
    free(roots);
    sj_options_fini(sj_config_table, &config);
    return status;
}

int main(int argc, char **argv)
{
    char text[256];

    if (argc < 2)
        return misuse("what to do? scrubjay serve DIR; more with scrubjay --help");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return print_help();
    if (strcmp(argv[1], "--version") == 0) {
        puts("scrubjay " PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "serve") == 0)
        return serve(argc - 1, argv + 1);
    if (strcmp(argv[1], "plan") == 0)
        return sj_plan_run(argc - 1, argv + 1);
    if (strcmp(argv[1], "compress") == 0)
        return sj_compress_command_run(argc - 1, argv + 1);
    if (sj_remote_has(argv[1]))
        return sj_remote_run(argc - 1, argv + 1);
    snprintf(
        text, sizeof(text),
        "'%s' is not a command: serve, plan, compress, reload, status, rollback, stop, --help or "
        "--version",
        argv[1]);
    return misuse(text);
}
