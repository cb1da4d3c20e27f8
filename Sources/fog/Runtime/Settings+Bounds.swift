internal import FogCommandLine
internal import FogCoordinator
internal import FogCore

extension CoordinatorConfiguration {
    /// Takes over what the operator set in the section `coordinator`.
    mutating func take(_ settings: Settings) {
        storedBytesPerAccount = ByteCount(settings.number(.storedBytes))
        queuedTasksPerAccount = Int(settings.number(.queuedTasks))
        openJobsPerAccount = Int(settings.number(.openJobs))
        tasksPerJob = Int(settings.number(.tasksPerJob))
        jobsPerMinute = Int(settings.number(.jobsPerMinute))
        openRequestsPerKey = Int(settings.number(.openRequests))
        invitationsPerInviter = Int(settings.number(.invitations))
        diskFloor = ByteCount(settings.number(.diskFloor))
        diskFloorPercent = Int(settings.number(.diskFloorPercent))
        diskReserve = ByteCount(settings.number(.diskReserve))
    }
}
