import Glibc

/// Standard input, output and error, as they were given to this process.
enum StandardDescriptors {
    /// Opens /dev/null in place of those that are closed. Otherwise the next file that this process opens would get the
    /// number, and what a program prints would go into it: a database, or the control group of a task.
    static func fill() {
        for descriptor in 0...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            let opened = open("/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY)
            if opened >= 0, opened != descriptor {
                dup2(opened, descriptor)
                close(opened)
            }
        }
    }
}
