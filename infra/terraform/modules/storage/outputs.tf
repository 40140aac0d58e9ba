output "media_bucket" {
  description = "Bucket of jobs, speech and videos: GCS_BUCKET."
  value       = google_storage_bucket.media.name
}

output "work_bucket" {
  description = "Bucket of clips, results and temporary objects: TRIVIA_WORK_BUCKET."
  value       = google_storage_bucket.work.name
}
