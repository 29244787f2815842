/* SPDX-License-Identifier: MIT */
/* scrubjay(8): the command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/compress_command.h"
#include "http/remote.h"
#include "http/server.h"

static const char usage[] =
    "Usage: scrubjay serve [OPTION]... [ROOT]   serve the directory ROOT (default: .)\n"
    "       scrubjay plan [OPTION]... ROOT      print what an index of ROOT holds, and its faults\n"
    "       scrubjay compress [OPTION]... DIR   write .gz, .br and .zst beside DIR's files\n"
    "       scrubjay reload | status | rollback | stop [OPTION]...   of a running server\n"
    "       scrubjay --help | --version\n";

struct command {
    const char *name;
    int (*run)(const struct sj_config *config, const char *const *roots, size_t n_roots);
    bool needs_root;
};

static const struct command commands[] = {
    {"serve", sj_server_run, false},
    {"plan", sj_server_plan, true},
};

static int misuse(const char *text)
{
    fprintf(stderr, "scrubjay: %s\n", text);
    return SJ_EXIT_USAGE;
}

static int print_help(void)
{
    fputs(usage, stdout);
    fputs("\nOptions of serve and plan:\n", stdout);
    sj_options_help(sj_config_table, stdout);
    fputs("\nOptions of compress:\n", stdout);
    sj_compress_command_help(stdout);
    fputs("\nCommands to a running server:\n", stdout);
    sj_remote_help(stdout);
    fputs("\nSignals: TERM drains and stops, INT and QUIT stop at once, HUP reloads the index,\n"
          "USR1 reopens the logs.  See scrubjay(8).\n",
          stdout);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ROOT comes first, so that a --root overrides it on the same URL. */
static int run(const struct command *command, const struct sj_config *config, const char *operand)
{
    const char **roots = calloc(config->root.n_items + 1, sizeof(*roots));
    size_t n_roots = 0;
    int status;

    if (roots == NULL)
        return EXIT_FAILURE;
    if (operand == NULL && config->root.n_items == 0)
        operand = ".";
    if (operand != NULL)
        roots[n_roots++] = operand;
    for (size_t i = 0; i < config->root.n_items; i++)
        roots[n_roots++] = config->root.items[i];
    status = command->run(config, roots, n_roots);
    free(roots);
    return status;
}

static int parse_and_run(const struct command *command, int argc, char **argv)
{
    struct sj_config config = {0};
    char error[512];
    int first, status;

    if (sj_options_parse(sj_config_table, argc, argv, &config, &first, error, sizeof(error)) != 0)
        status = misuse(error);
    else if (config.help)
        status = print_help();
    else if (argc - first > 1)
        status = misuse("more than one ROOT: serve several with --root [PREFIX=]DIR");
    else if (command->needs_root && argc == first && config.root.n_items == 0)
        status = misuse("plan needs a ROOT: scrubjay plan DIR");
    else
        status = run(command, &config, argc > first ? argv[first] : NULL);
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
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return parse_and_run(&commands[i], argc - 1, argv + 1);
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
