"""What tests of the job queue share: things that are done to a broker by somebody who knows nothing of jobs."""
