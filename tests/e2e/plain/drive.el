;;; drive.el --- answers a test's questions  -*- lexical-binding: t; -*-
;; Each line is [number, "form"]; the answer is [number, [ok, value]]. Emacs goes on as for a person.
(require 'json)
(setq make-backup-files nil auto-save-default nil create-lockfiles nil
      inhibit-startup-screen t ring-bell-function #'ignore)
(defvar drive-pending "")
(defun drive-answer (wire number form)
  (let ((answer (condition-case problem
                    (list t (eval (read form) t))
                  (error (list :false (error-message-string problem))))))
    (process-send-string
     wire (concat (json-serialize (vector number (vconcat answer)) :null-object nil
                                  :false-object :false)
                  "\n"))))
(defun drive-hear (wire text)
  (setq drive-pending (concat drive-pending text))
  (let (at)
    (while (setq at (string-search "\n" drive-pending))
      (let ((message (json-parse-string (substring drive-pending 0 at))))
        (setq drive-pending (substring drive-pending (1+ at)))
        ;; Not in the filter: a form may wait for other processes.
        (run-at-time 0 nil #'drive-answer wire (aref message 0) (aref message 1))))))
(defun drive-connect (path)
  (make-network-process :name "drive" :family 'local :service path :noquery t
                        :coding 'utf-8-unix :filter #'drive-hear))
